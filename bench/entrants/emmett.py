"""Emmett on granian and its RSGI, as its own command starts it. The options are those of granian.py."""

from entrants import Entrant

ENTRANT = Entrant(
    name="emmett",
    about="on granian, RSGI",
    kind="framework",
    command=(
        *("{programs}/granian", "--interface", "rsgi", "--host", "127.0.0.1", "--port", "{port}", "--loop", "uvloop"),
        *("--workers", "1", "--runtime-threads", "1", "--runtime-mode", "st", "--http", "1", "--no-access-log"),
        *("--log-level", "error", "--no-ws", "--http1-pipeline-flush", "--backpressure", "20000"),
        "{app}:app",
    ),
    interface="emmett",
    requirements="emmett.txt",
)
