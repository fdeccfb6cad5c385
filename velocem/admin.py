"""The admin address: health, readiness and metrics, answered in C whatever the application does."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from velocem import __version__, forks, metrics, places, sockets
from velocem._core import Admin
from velocem.logging import logger
from velocem.sockets import Listener

BACKLOG = 128


class Address:
    """What a process that is forked lets go of."""

    def __init__(self, core: Admin, listeners: Sequence[Listener], passed_on: list[bool]) -> None:
        self.core = core
        self.listeners = listeners
        self.passed_on = passed_on

    def pass_on(self) -> None:
        """Another process answers from now on."""
        self.passed_on.append(True)
        self.core.close()

    def close(self) -> None:
        """In a child, which has no thread of it."""
        self.core.forked()
        for listener in self.listeners:
            listener.sock.close()


@contextmanager
def served(bind: Sequence[str], given: Sequence[Listener] | None = None) -> Generator[Address | None, None, None]:
    """Answer at these places while the with block runs; at none, do nothing.

    given: what is listened on instead, once start() is called.
    """
    if not bind:
        yield None
        return
    listeners = given or sockets.listen([places.parse(place) for place in bind], backlog=BACKLOG, uds_mode=0o600)
    passed_on: list[bool] = []
    try:
        core = Admin(
            board=metrics.board(),
            sockets=[(one.sock.fileno(), one.name, str(one.port), one.path) for one in listeners],
            version=__version__.encode(),
            page=page(),
        )
        address = Address(core, listeners, passed_on)
        if not given:
            core.start()
        forks.addresses.add(address)
        logger.info("Velocem's admin address is %s", " and ".join(listener.url for listener in listeners))
        try:
            yield address
        finally:
            forks.addresses.discard(address)
            core.close()
    finally:
        sockets.close(listeners, passed_on=bool(passed_on))


def page() -> bytes:
    """The page that draws the metrics."""
    return (Path(__file__).parent / "admin.html").read_bytes()
