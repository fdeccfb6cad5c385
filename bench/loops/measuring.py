"""Measures what an operation of a loop costs, from inside that loop."""

import resource
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

WARM = 0.2  # of the seconds, before what counts
OPERATIONS = 1000  # in a batch, which is what is done between two looks at the clock

Batch = Callable[[], Awaitable[None]]


class WrongError(Exception):
    """The loop did something else than what was asked."""


class Spent(NamedTuple):
    """Seconds by the clock, and of CPU in all threads."""

    seconds: float
    user: float
    system: float

    @classmethod
    def so_far(cls) -> "Spent":
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return cls(time.perf_counter(), usage.ru_utime, usage.ru_stime)


async def repeat(batch: Batch, seconds: float) -> int:
    until = time.perf_counter() + seconds
    count = 0
    while time.perf_counter() < until:
        await batch()
        count += 1
    return count


async def cost(batch: Batch, operations: int, seconds: float) -> dict[str, Any]:
    """Of so many operations in a batch."""
    await repeat(batch, seconds * WARM)
    before = Spent.so_far()
    count = await repeat(batch, seconds)
    spent = Spent(*(after - earlier for after, earlier in zip(Spent.so_far(), before, strict=True)))
    return {"operations": count * operations, **spent._asdict()}
