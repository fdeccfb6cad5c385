"""gunicorn with its threads and its parser in C. One thread is the cheapest on one core: more pass the GIL around."""

from entrants import Entrant

ENTRANT = Entrant(
    name="gunicorn",
    about="Python, threads, C parser",
    command=(
        *("{programs}/gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "1", "--worker-class", "gthread"),
        *("--threads", "1", "--http-parser", "fast", "--keep-alive", "60", "--log-level", "error"),
        *("--worker-connections", "20000", "--worker-tmp-dir", "/dev/shm", "--no-control-socket"),
        "{app}:app",
    ),
    requirements="gunicorn.txt",
    env={"BENCH_LENGTH": "1"},
)
