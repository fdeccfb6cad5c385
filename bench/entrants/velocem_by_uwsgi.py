"""Velocem by uwsgi behind nginx, by a Unix socket as deploy/ has it: its own cost."""

from entrants import Entrant

ENTRANT = Entrant(
    name="velocem-by-uwsgi",
    about="uwsgi_pass to this project",
    command=(
        *("{python}", "-m", "velocem", "{app}:app", "--bind", "uwsgi+unix:{socket}", "--no-access-log"),
        *("--log-level", "error"),
    ),
    requirements=".",
    ours=True,
    front="uwsgi",
)
