"""FastPySGI, ASGI: it polls its own libuv from an event loop that it is given, here uvloop's."""

from entrants import Entrant

CODE = """
import importlib, sys, fastpysgi, uvloop
fastpysgi.server.max_content_length = 1 << 30
fastpysgi.server.lifespan = 0
fastpysgi.server.loop = uvloop.new_event_loop()
fastpysgi.run(importlib.import_module(sys.argv[1]).app, "127.0.0.1", int(sys.argv[2]), loglevel=0)
"""

ENTRANT = Entrant(
    name="fastpysgi-asgi",
    about="C, libuv, llhttp, uvloop",
    command=("{python}", "-c", CODE, "{app}", "{port}"),
    interface="asgi",
    requirements="fastpysgi.txt",
    leaves_out={
        "chunks": "it stops when a second piece of a body is sent before the first is written",
        "file": "it stops when a second piece of a body is sent before the first is written",
        "fastapi_page": "it stops when a second piece of a body is sent before the first is written",
        "ws_echo": "it has no WebSocket",
    },
)
