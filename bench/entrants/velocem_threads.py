"""Velocem with the application in four threads, as sites that block are deployed."""

from entrants import Entrant

ENTRANT = Entrant(
    name="velocem-threads",
    about="this project, application in threads",
    command=(
        *("{python}", "-m", "velocem", "{app}:app", "--port", "{port}", "--threads", "{threads}"),
        *("--no-access-log", "--log-level", "error"),
    ),
    requirements=".",
    threads=4,
    ours=True,
    only=frozenset({"hello", "headers", "post-1k", "sleep", "flask", "django"}),
)
