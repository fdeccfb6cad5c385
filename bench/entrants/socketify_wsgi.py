"""socketify, WSGI: uWebSockets (C++) called over CFFI."""

from entrants import Entrant

ENTRANT = Entrant(
    name="socketify-wsgi",
    about="C++, uWebSockets, CFFI",
    command=(
        *("{python}", "-m", "socketify", "{app}:app", "--host", "127.0.0.1", "--port", "{port}", "--workers", "1"),
        *("--interface", "wsgi"),
    ),
    interface="wsgi",
    requirements="socketify.txt",
    debian={"/usr/lib/x86_64-linux-gnu/libuv.so.1": "libuv1"},
    leaves_out={
        "out-10m": "it sends the body without end",
        "django_page": "it calls applications inside a running asyncio loop, where Django refuses its database",
    },
)
