"""Velocem from this tree, without its access log, which the others do not write either."""

from entrants import Entrant

ENTRANT = Entrant(
    name="velocem",
    about="this project",
    command=("{python}", "-m", "velocem", "{app}:app", "--port", "{port}", "--no-access-log", "--log-level", "error"),
    requirements=".",
    ours=True,
)
