"""FastPySGI, which has nothing for files: a WSGI application that has them in memory."""

from dataclasses import replace

from entrants import fastpysgi

ENTRANT = replace(fastpysgi.ENTRANT, name="fastpysgi-static", interface="memory", only=frozenset({"static-10k"}))
