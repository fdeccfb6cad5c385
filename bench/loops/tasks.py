"""Tasks: a hundred are made and gathered."""

import asyncio
from collections.abc import Awaitable, Callable

from loops.measuring import WrongError

OPERATIONS = 100  # in a batch


async def same(number: int) -> int:
    return number


def batch(loop: asyncio.AbstractEventLoop) -> Callable[[], Awaitable[None]]:
    async def run() -> None:
        if await asyncio.gather(*[same(number) for number in range(OPERATIONS)]) != list(range(OPERATIONS)):
            raise WrongError("gather mixed up the results")

    return run
