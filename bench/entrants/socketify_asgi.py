"""socketify, ASGI: uWebSockets (C++) called over CFFI."""

from entrants import Entrant

ENTRANT = Entrant(
    name="socketify-asgi",
    about="C++, uWebSockets, CFFI",
    command=(
        *("{python}", "-m", "socketify", "{app}:app", "--host", "127.0.0.1", "--port", "{port}", "--workers", "1"),
        *("--interface", "asgi", "--lifespan", "off"),
    ),
    interface="asgi",
    requirements="socketify.txt",
    debian={"/usr/lib/x86_64-linux-gnu/libuv.so.1": "libuv1"},
    leaves_out={"fastapi_page": "it passes the query on with the question mark, so that no parameter is found"},
)
