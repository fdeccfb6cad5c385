"""FastWSGI: C on libuv and llhttp."""

from entrants import Entrant

CODE = """
import importlib, sys, fastwsgi
fastwsgi.run(importlib.import_module(sys.argv[1]).app, "127.0.0.1", int(sys.argv[2]), loglevel=0)
"""

ENTRANT = Entrant(
    name="fastwsgi",
    about="C, libuv, llhttp",
    command=("{python}", "-c", CODE, "{app}", "{port}"),
    requirements="fastwsgi.txt",
)
