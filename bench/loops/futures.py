"""Futures: each is awaited, and its result is set by a callback."""

import asyncio
from collections.abc import Awaitable, Callable

from loops.measuring import OPERATIONS, WrongError


def batch(loop: asyncio.AbstractEventLoop) -> Callable[[], Awaitable[None]]:
    async def run() -> None:
        for number in range(OPERATIONS):
            future = loop.create_future()
            loop.call_soon(future.set_result, number)
            if await future != number:
                raise WrongError("a future has another result")

    return run
