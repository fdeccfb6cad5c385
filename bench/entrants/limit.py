"""The floor: an epoll server in C that parses nothing. Each scenario adds the options that make it answer right."""

from entrants import Entrant

ENTRANT = Entrant(name="limit", about="bare C epoll server", command=("{limit}", "--port", "{port}"), interface="limit")
