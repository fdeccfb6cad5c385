"""The standard library's loop: Python on epoll."""

from entrants import Entrant

ENTRANT = Entrant(
    name="asyncio",
    about="Python, epoll",
    kind="loop",
    command=("{python}", "inside.py", "{app}", "asyncio:new_event_loop", "{port}", "{seconds}"),
    requirements="none.txt",
)
