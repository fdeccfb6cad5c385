"""Velocem by HTTP behind nginx, by a Unix socket as deploy/ has it: its own cost."""

from dataclasses import replace

from entrants import velocem

ENTRANT = replace(
    velocem.ENTRANT,
    name="velocem-by-http",
    about="proxy_pass to this project, connections kept",
    command=("{python}", "-m", "velocem", "{app}:app", "--uds", "{socket}", "--no-access-log", "--log-level", "error"),
    ours=False,
    front="http",
)
