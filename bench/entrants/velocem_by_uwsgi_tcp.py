"""Velocem by uwsgi behind nginx, by TCP: its own cost."""

from dataclasses import replace

from entrants import velocem_by_uwsgi

ENTRANT = replace(
    velocem_by_uwsgi.ENTRANT,
    name="velocem-by-uwsgi-tcp",
    about="uwsgi_pass by TCP",
    command=tuple(
        word.replace("uwsgi+unix:{socket}", "uwsgi://127.0.0.1:{port}") for word in velocem_by_uwsgi.ENTRANT.command
    ),
    ours=False,
)
