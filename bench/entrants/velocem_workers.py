"""Velocem with two workers, for the machine whose cores they share with the client."""

from entrants import Entrant

ENTRANT = Entrant(
    name="velocem-workers",
    about="this project, two workers",
    command=(
        *("{python}", "-m", "velocem", "{app}:app", "--port", "{port}", "--workers", "2"),
        *("--no-access-log", "--log-level", "error"),
    ),
    requirements=".",
    ours=True,
    only=frozenset({"workers"}),
)
