"""Twisted's own resources on its epoll reactor, without the line that its site formats for each request."""

from entrants import Entrant

CODE = """
import importlib, sys
from twisted.internet import epollreactor
epollreactor.install()
from twisted.internet import reactor
from twisted.web.server import Site
site = Site(importlib.import_module(sys.argv[1]).app)
site.log = lambda request: None
reactor.listenTCP(int(sys.argv[2]), site, backlog=2048, interface="127.0.0.1")
reactor.run()
"""

ENTRANT = Entrant(
    name="twisted",
    about="Python, epoll reactor",
    command=("{python}", "-c", CODE, "{app}", "{port}"),
    interface="twisted",
    requirements="twisted.txt",
)
