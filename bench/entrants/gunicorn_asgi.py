"""gunicorn's own ASGI worker, on uvloop and its parser in C."""

from entrants import Entrant

ENTRANT = Entrant(
    name="gunicorn-asgi",
    about="Python, uvloop, C parser",
    command=(
        *("{programs}/gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "1", "--worker-class", "asgi"),
        *("--asgi-loop", "uvloop", "--asgi-lifespan", "off", "--http-parser", "fast", "--keep-alive", "60"),
        *("--log-level", "error", "--worker-connections", "20000", "--worker-tmp-dir", "/dev/shm"),
        *("--no-control-socket", "{app}:app"),
    ),
    interface="asgi",
    requirements="gunicorn.txt",
)
