"""call_soon: a batch of callbacks is queued, then all are called."""

import asyncio
from collections.abc import Awaitable, Callable

from loops.measuring import OPERATIONS, WrongError


def batch(loop: asyncio.AbstractEventLoop) -> Callable[[], Awaitable[None]]:
    called = 0

    def count() -> None:
        nonlocal called
        called += 1

    async def run() -> None:
        nonlocal called
        called = 0
        for _ in range(OPERATIONS):
            loop.call_soon(count)
        await asyncio.sleep(0)
        if called != OPERATIONS:
            raise WrongError(f"{called} of {OPERATIONS} callbacks called in the next turn")

    return run
