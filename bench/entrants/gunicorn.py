"""gunicorn with its threads and its parser in C. Four threads, as its manual advises, were cheaper than 1, 2, 8, 32."""

from entrants import Entrant

ENTRANT = Entrant(
    name="gunicorn",
    about="Python, threads, C parser",
    command=(
        *("{programs}/gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "1", "--worker-class", "gthread"),
        *("--threads", "{threads}", "--http-parser", "fast", "--keep-alive", "60", "--log-level", "error"),
        *("--worker-connections", "20000", "--worker-tmp-dir", "/dev/shm", "--no-control-socket"),
        "{app}:app",
    ),
    requirements="gunicorn.txt",
    threads=4,
    env={"BENCH_LENGTH": "1"},
)
