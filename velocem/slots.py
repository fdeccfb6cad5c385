"""A place for one worker: who sits there, who is being started to take the place, and when to try again."""

import time

from velocem.children import Child

# A worker that has served for so long has not failed in starting; the next one is not held up.
STEADY_SECONDS = 5.0

# Between starts that fail: none, then this, then twice as long each time.
FIRST_DELAY = 0.5
MOST_DELAY = 30.0


class Slot:
    """One of the places, which are numbered from 0; its workers inherit its sockets from each other."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.current: Child | None = None
        self.coming: Child | None = None
        self.start_at: float | None = 0.0
        self.failures = 0
        self.leave_at: float | None = None  # it is to be given up then
        self.given_up = False
        self.wears_at: float | None = None  # it is replaced then
        self.why = "reload"  # it is replaced, if it is
        self.is_worn = False  # the current one is to be replaced, whatever happens to its successors

    def __str__(self) -> str:
        return f"worker {self.number + 1}"

    @property
    def is_wanted(self) -> bool:
        return self.leave_at is None and not self.given_up

    @property
    def serves(self) -> bool:
        return self.current is not None and self.is_wanted

    def children(self) -> list[Child]:
        return [child for child in (self.current, self.coming) if child is not None]

    def is_due(self, now: float) -> bool:
        return self.coming is None and self.start_at is not None and self.start_at <= now

    def times(self) -> list[float | None]:
        """When something is to be done here."""
        return [self.leave_at, self.wears_at, None if self.coming else self.start_at]

    def failed(self) -> float:
        """A start has failed, or what it led to: when to try again. Returns the seconds until then."""
        self.failures += 1
        delay = min(FIRST_DELAY * 2.0 ** (self.failures - 2), MOST_DELAY) if self.failures > 1 else 0.0
        self.start_at = time.monotonic() + delay
        return delay

    def seat(self, child: Child) -> Child | None:
        """The child that was coming serves. Returns the one that did before."""
        child.ready_at = time.monotonic()
        old, self.current, self.coming, self.is_worn = self.current, child, None, False
        self.why = "reload"
        return old

    def vacate(self) -> None:
        """The current worker has died."""
        self.wears_at = None
        child, self.current = self.current, None
        if child is not None and child.ready_at is not None and time.monotonic() - child.ready_at > STEADY_SECONDS:
            self.failures = 0

    def take_back(self) -> None:
        """It is wanted again."""
        self.leave_at, self.given_up = None, False
        self.start_at = None if self.current else time.monotonic()
