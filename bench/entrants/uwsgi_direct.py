"""uWSGI speaking HTTP itself: cheaper, but a worker then serves one connection at a time, and closes it."""

from entrants import Entrant

ENTRANT = Entrant(
    name="uwsgi-direct",
    about="C, worker only",
    command=(
        *("{programs}/uwsgi", "--http-socket", "127.0.0.1:{port}", "--processes", "1", "--need-app"),
        *("--add-header", "Connection: close"),
        *("--module", "{app}:app", "--disable-logging", "--log-5xx", "--die-on-term", "--home", "{programs}/.."),
    ),
    requirements="uwsgi.txt",
    env={"BENCH_LENGTH": "1"},
    closes=True,
    only=frozenset({"close", "file"}),
)
