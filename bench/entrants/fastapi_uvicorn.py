"""FastAPI on uvicorn, as its documentation has it. The options are those of uvicorn.py."""

from entrants import Entrant

ENTRANT = Entrant(
    name="fastapi-uvicorn",
    about="on uvicorn, ASGI",
    kind="framework",
    command=(
        *("{programs}/uvicorn", "--host", "127.0.0.1", "--port", "{port}", "--loop", "uvloop", "--http", "httptools"),
        *("--lifespan", "off", "--no-access-log", "--log-level", "error", "--timeout-keep-alive", "60", "{app}:app"),
    ),
    interface="fastapi",
    requirements="fastapi-uvicorn.txt",
)
