"""Processes that the application forks: the parent closes connections for both, the child is kept from answering."""

import os
from weakref import WeakSet

from velocem._core import Worker

workers: WeakSet[Worker] = WeakSet()


def _tell(*, is_child: bool) -> None:
    for worker in list(workers):
        worker.forked(is_child)


os.register_at_fork(
    after_in_parent=lambda: _tell(is_child=False),
    after_in_child=lambda: _tell(is_child=True),
)
