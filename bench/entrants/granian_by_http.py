"""Granian by HTTP behind nginx: its own cost."""

from dataclasses import replace

from entrants import granian

ENTRANT = replace(
    granian.ENTRANT,
    name="granian-by-http",
    about="proxy_pass, connections kept",
    front="http",
)
