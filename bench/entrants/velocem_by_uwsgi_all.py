"""Velocem by uwsgi behind nginx: what both of them cost."""

from dataclasses import replace

from entrants import velocem_by_uwsgi

ENTRANT = replace(
    velocem_by_uwsgi.ENTRANT,
    name="velocem-by-uwsgi-all",
    about="the same, nginx counted too",
    ours=False,
    whole=True,
)
