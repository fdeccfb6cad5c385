"""Velocem by HTTP behind nginx: what both of them cost."""

from dataclasses import replace

from entrants import velocem_by_http

ENTRANT = replace(
    velocem_by_http.ENTRANT,
    name="velocem-by-http-all",
    about="the same, nginx counted too",
    whole=True,
)
