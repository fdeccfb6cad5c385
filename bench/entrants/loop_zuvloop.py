"""zuvloop: Zig on libuv, from CPython 3.14 on."""

from entrants import Entrant

ENTRANT = Entrant(
    name="zuvloop",
    about="Zig, libuv",
    kind="loop",
    command=("{python}", "inside.py", "{app}", "zuvloop:new_event_loop", "{port}", "{seconds}"),
    requirements="zuvloop.txt",
    pythons=("3.14",),
)
