"""The floor behind nginx: what a connection for each request costs a server that parses nothing."""

from entrants import Entrant

ENTRANT = Entrant(
    name="limit-by-uwsgi",
    about="uwsgi_pass to the bare C epoll server",
    command=("{limit}", "--unix", "{socket}"),
    interface="limit",
    front="uwsgi",
)
