"""FastPySGI, WSGI: what became of FastWSGI. It takes bodies of ten million bytes unless told otherwise."""

from entrants import Entrant

CODE = """
import importlib, sys, fastpysgi
fastpysgi.server.max_content_length = 1 << 30
fastpysgi.run(importlib.import_module(sys.argv[1]).app, "127.0.0.1", int(sys.argv[2]), loglevel=0)
"""

ENTRANT = Entrant(
    name="fastpysgi",
    about="C, libuv, llhttp",
    command=("{python}", "-c", CODE, "{app}", "{port}"),
    requirements="fastpysgi.txt",
)
