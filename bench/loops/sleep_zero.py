"""sleep(0): each is a turn of the loop, with its look at the sockets."""

import asyncio
from collections.abc import Awaitable, Callable

from loops.measuring import OPERATIONS


def batch(loop: asyncio.AbstractEventLoop) -> Callable[[], Awaitable[None]]:
    async def run() -> None:
        for _ in range(OPERATIONS):
            await asyncio.sleep(0)

    return run
