"""zloop: Zig on epoll, its default; io_uring is slower for it on one loop, by its own figures."""

from entrants import Entrant

ENTRANT = Entrant(
    name="zloop",
    about="Zig, epoll",
    kind="loop",
    command=("{python}", "inside.py", "{app}", "zloop:new_event_loop", "{port}", "{seconds}"),
    requirements="zloop.txt",
    leaves_out={"sock_echo": "it has no sock_accept"},
)
