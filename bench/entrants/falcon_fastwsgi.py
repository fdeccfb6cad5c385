"""Falcon on FastWSGI, which is cheaper than granian. The start is that of fastwsgi.py."""

from entrants import Entrant
from entrants.fastwsgi import CODE

ENTRANT = Entrant(
    name="falcon-fastwsgi",
    about="on FastWSGI, WSGI",
    kind="framework",
    command=("{python}", "-c", CODE, "{app}", "{port}"),
    interface="falcon",
    requirements="falcon-fastwsgi.txt",
)
