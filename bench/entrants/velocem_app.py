"""Velocem's own interface from this tree, without its access log."""

from entrants import Entrant

ENTRANT = Entrant(
    name="velocem-app",
    about="this project, its App",
    command=(
        *("{python}", "-m", "velocem", "{app}:app", "--port", "{port}", "--no-access-log", "--log-level", "error"),
        *("--no-ws-per-message-deflate", "--timeout-keep-alive", "60"),
    ),
    interface="velocem",
    requirements=".",
    ours=True,
)
