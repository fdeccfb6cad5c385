"""Hypercorn on uvloop; its HTTP/1.1 is h11, in Python."""

from entrants import Entrant

ENTRANT = Entrant(
    name="hypercorn",
    about="Python, uvloop, h11",
    command=(
        *("{programs}/hypercorn", "--bind", "127.0.0.1:{port}", "--workers", "1", "--worker-class", "uvloop"),
        *("--keep-alive", "60", "--log-level", "critical", "--backlog", "2048", "{app}:app"),
    ),
    interface="asgi",
    requirements="hypercorn.txt",
)
