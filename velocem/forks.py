"""Processes that the application forks: the parent closes connections for both, the child is kept from answering."""

import os
from typing import Protocol
from weakref import WeakSet

from velocem._core import Worker


class Closable(Protocol):
    """Something that a child of the application lets go of."""

    def close(self) -> None: ...


workers: WeakSet[Worker] = WeakSet()
addresses: WeakSet[Closable] = WeakSet()


def _in_parent() -> None:
    for worker in list(workers):
        worker.forked(False)


def _in_child() -> None:
    for worker in list(workers):
        worker.forked(True)
    for address in list(addresses):
        address.close()
    addresses.clear()


os.register_at_fork(after_in_parent=_in_parent, after_in_child=_in_child)
