"""FastAPI on granian, which is cheaper than uvicorn. The options are those of granian.py."""

from entrants import Entrant

ENTRANT = Entrant(
    name="fastapi",
    about="on granian, ASGI",
    kind="framework",
    command=(
        *("{programs}/granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", "{port}", "--loop", "uvloop"),
        *("--workers", "1", "--runtime-threads", "1", "--runtime-mode", "st", "--http", "1", "--no-access-log"),
        *("--log-level", "error", "--no-ws", "--http1-pipeline-flush", "--backpressure", "20000"),
        "{app}:app",
    ),
    interface="fastapi",
    requirements="fastapi.txt",
)
