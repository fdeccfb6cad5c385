"""uvloop: Cython on libuv."""

from entrants import Entrant

ENTRANT = Entrant(
    name="uvloop",
    about="Cython, libuv",
    kind="loop",
    command=("{python}", "inside.py", "{app}", "uvloop:new_event_loop", "{port}", "{seconds}"),
    requirements="uvloop.txt",
)
