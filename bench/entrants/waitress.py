"""waitress: a thread for the sockets, one for the application, which is cheaper than four; poll for many sockets."""

from entrants import Entrant

ENTRANT = Entrant(
    name="waitress",
    about="Python, asyncore, threads",
    command=(
        *("{programs}/waitress-serve", "--listen", "127.0.0.1:{port}", "--threads", "{threads}", "--asyncore-use-poll"),
        *("--connection-limit", "20000", "--backlog", "2048", "--no-expose-tracebacks"),
        *("--channel-request-lookahead", "16", "{app}:app"),
    ),
    requirements="waitress.txt",
    threads=1,
    leaves_out={"chunks": "it closes the connection after an answer in chunks"},
)
