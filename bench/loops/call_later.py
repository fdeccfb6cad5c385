"""call_later and cancel: a timer that never fires, as each timeout that is not reached."""

import asyncio
from collections.abc import Awaitable, Callable

from loops.measuring import OPERATIONS, WrongError

DELAY = 30


def batch(loop: asyncio.AbstractEventLoop) -> Callable[[], Awaitable[None]]:
    fired = 0

    def fire() -> None:
        nonlocal fired
        fired += 1

    async def run() -> None:
        for _ in range(OPERATIONS):
            loop.call_later(DELAY, fire).cancel()
        await asyncio.sleep(0)
        if fired:
            raise WrongError("a cancelled timer fired")

    return run
