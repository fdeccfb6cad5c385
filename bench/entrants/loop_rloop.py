"""rloop: Rust on mio."""

from entrants import Entrant

ENTRANT = Entrant(
    name="rloop",
    about="Rust, mio",
    kind="loop",
    command=("{python}", "inside.py", "{app}", "rloop:new_event_loop", "{port}", "{seconds}"),
    requirements="rloop.txt",
)
