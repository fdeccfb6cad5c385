"""uWSGI by HTTP behind nginx, with its router, which keeps connections: its own cost."""

from dataclasses import replace

from entrants import uwsgi

ENTRANT = replace(
    uwsgi.ENTRANT,
    name="uwsgi-by-http",
    about="proxy_pass to uWSGI's router, connections kept",
    front="http",
)
