"""uvicorn with uvloop and httptools, which it takes by itself when it finds them."""

from entrants import Entrant

ENTRANT = Entrant(
    name="uvicorn",
    about="Python, uvloop, httptools",
    command=(
        *("{programs}/uvicorn", "--host", "127.0.0.1", "--port", "{port}", "--loop", "uvloop", "--http", "httptools"),
        *("--ws", "websockets-sansio", "--ws-per-message-deflate", "false", "--lifespan", "off", "--no-access-log"),
        *("--log-level", "error", "--timeout-keep-alive", "60", "{app}:app"),
    ),
    interface="asgi",
    requirements="uvicorn.txt",
)
