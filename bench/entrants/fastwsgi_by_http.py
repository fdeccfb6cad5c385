"""FastWSGI by HTTP behind nginx: its own cost."""

from dataclasses import replace

from entrants import fastwsgi

ENTRANT = replace(
    fastwsgi.ENTRANT,
    name="fastwsgi-by-http",
    about="proxy_pass, connections kept",
    front="http",
)
