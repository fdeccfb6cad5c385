"""Granian, WSGI: Rust on tokio and hyper. Its single-threaded runtime is the cheaper one on a single core."""

from entrants import Entrant

ENTRANT = Entrant(
    name="granian",
    about="Rust, tokio, hyper",
    command=(
        *("{programs}/granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", "{port}"),
        *("--workers", "1", "--blocking-threads", "{threads}", "--runtime-threads", "1", "--runtime-mode", "st"),
        *("--http", "1", "--no-ws", "--no-access-log", "--log-level", "error", "--http1-pipeline-flush"),
        *("--backpressure", "20000"),  # or it accepts no more than a thousand connections
        "{app}:app",
    ),
    requirements="granian.txt",
    threads=1,
)
