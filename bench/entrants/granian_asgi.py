"""Granian, ASGI on uvloop, without the lifespan protocol. The other options are those of granian.py."""

from entrants import Entrant

ENTRANT = Entrant(
    name="granian-asgi",
    about="Rust, tokio, hyper, uvloop",
    command=(
        *("{programs}/granian", "--interface", "asginl", "--host", "127.0.0.1", "--port", "{port}", "--loop", "uvloop"),
        *("--workers", "1", "--runtime-threads", "1", "--runtime-mode", "st", "--http", "1", "--no-access-log"),
        *("--log-level", "error", "--http1-pipeline-flush", "--backpressure", "20000"),
        "{app}:app",
    ),
    interface="asgi",
    requirements="granian.txt",
)
