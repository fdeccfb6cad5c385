"""Velocem from this tree, serving ASGI, without its access log; as uvicorn here, without compression and lifespan."""

from entrants import Entrant

ENTRANT = Entrant(
    name="velocem-asgi",
    about="this project, ASGI",
    command=(
        *("{python}", "-m", "velocem", "{app}:app", "--port", "{port}", "--no-access-log", "--log-level", "error"),
        *("--no-ws-per-message-deflate", "--lifespan", "off", "--timeout-keep-alive", "60"),
    ),
    interface="asgi",
    requirements=".",
    ours=True,
)
