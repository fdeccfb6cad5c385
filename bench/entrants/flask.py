"""Flask on granian, the cheapest of the servers that are usual for it. The options are those of granian.py."""

from entrants import Entrant

ENTRANT = Entrant(
    name="flask",
    about="on granian, WSGI",
    kind="framework",
    command=(
        *(
            "{programs}/granian",
            "--interface",
            "wsgi",
            "--host",
            "127.0.0.1",
            "--port",
            "{port}",
            "--blocking-threads",
            "1",
        ),
        *("--workers", "1", "--runtime-threads", "1", "--runtime-mode", "st", "--http", "1", "--no-access-log"),
        *("--log-level", "error", "--no-ws", "--http1-pipeline-flush", "--backpressure", "20000"),
        "{app}:app",
    ),
    interface="flask",
    requirements="flask.txt",
)
