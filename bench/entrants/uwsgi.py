"""uWSGI behind its own HTTP router, which is how one worker of it keeps many connections alive."""

from entrants import Entrant

ENTRANT = Entrant(
    name="uwsgi",
    about="C, router and worker",
    command=(
        *("{programs}/uwsgi", "--http", "127.0.0.1:{port}", "--http-keepalive", "--processes", "1", "--need-app"),
        *("--http-auto-chunked", "--listen", "2048", "--buffer-size", "32768"),
        *("--module", "{app}:app", "--disable-logging", "--log-5xx", "--die-on-term", "--home", "{programs}/.."),
    ),
    requirements="uwsgi.txt",
    env={"BENCH_LENGTH": "1"},
    leaves_out={"pipelined": "its router closes the connection on a request that comes before the answer to the last"},
)
