"""Velocem's own loop, from this tree."""

from entrants import Entrant

ENTRANT = Entrant(
    name="velocem-loop",
    about="this project, C",
    kind="loop",
    command=("{python}", "inside.py", "{app}", "velocem:new_event_loop", "{port}", "{seconds}"),
    requirements=".",
    ours=True,
)
