"""Calls of an App in threads beside its loop: one that takes longer than --timeout-request is told of."""

import contextlib
import threading
import time
from collections.abc import Callable, Generator
from typing import TypeVar

T = TypeVar("T")

# How often it looks while the deadline runs: by so much a stuck thread may be found late.
LOOKS = 16


class Watch:
    """A thread that looks at those under way. on_stuck(thread) is called in it, once for each call."""

    def __init__(self, seconds: float, on_stuck: Callable[[int], None]) -> None:
        self._seconds = seconds
        self._on_stuck = on_stuck
        self._since: dict[int, float] = {}  # by thread
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="velocem-watch", daemon=True)
        self._thread.start()

    def run(self, function: Callable[..., T], *arguments: object) -> T:
        """What function(*arguments) returns, in this thread."""
        thread = threading.get_ident()
        self._since[thread] = time.monotonic()
        try:
            return function(*arguments)
        finally:
            del self._since[thread]

    @contextlib.contextmanager
    def paused(self) -> Generator[None, None, None]:
        """While a call that is watched waits for its client."""
        thread = threading.get_ident()
        del self._since[thread]
        try:
            yield
        finally:
            self._since[thread] = time.monotonic()

    def stop(self) -> None:
        """It looks no more."""
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        """Counted in looks and not by the clock: a process that was stopped has lost no time."""
        looks: dict[tuple[int, float], int] = {}
        while not self._over.wait(self._seconds / LOOKS):
            looks = {call: looks.get(call, 0) + 1 for call in list(self._since.items())}
            for (thread, _), count in looks.items():
                if count == LOOKS + 1:
                    self._on_stuck(thread)


watch: Watch | None = None
"""That of this process, if there is one."""
