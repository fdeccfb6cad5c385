"""call_soon_threadsafe: another thread queues a batch of callbacks and wakes the loop."""

import asyncio
from collections.abc import Awaitable, Callable

from loops.measuring import OPERATIONS, WrongError


def batch(loop: asyncio.AbstractEventLoop) -> Callable[[], Awaitable[None]]:
    called = 0

    def count() -> None:
        nonlocal called
        called += 1

    def queue(done: "asyncio.Future[None]") -> None:
        for _ in range(OPERATIONS):
            loop.call_soon_threadsafe(count)
        loop.call_soon_threadsafe(done.set_result, None)

    async def run() -> None:
        nonlocal called
        called = 0
        done = loop.create_future()
        await asyncio.gather(loop.run_in_executor(None, queue, done), done)
        if called != OPERATIONS:
            raise WrongError(f"{called} of {OPERATIONS} callbacks called")

    return run
