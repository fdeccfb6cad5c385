"""What the applications have in common: nothing of any framework."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextvars import ContextVar

BLOCK = b"0123456789abcdef" * 64
USER: ContextVar[str] = ContextVar("user", default="nobody")


class GoneError(Exception):
    """What /fail ends with."""


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def blocks(count: int) -> AsyncIterator[bytes]:
    """Each in a step of its own."""
    for _ in range(count):
        await asyncio.sleep(0)
        yield BLOCK


async def time_out() -> str:
    """An asyncio.timeout() needs a task that is current and can be cancelled."""
    try:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(60)
    except TimeoutError:
        return "timed out"
    return "not timed out"


async def in_group() -> list[int]:
    async def one(number: int) -> int:
        await asyncio.sleep(0)
        return number * number

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(number)) for number in range(4)]
    return [task.result() for task in tasks]


async def who(name: str) -> str:
    """What a task of this request, begun after the variable was set, has in its context."""
    before = USER.get()
    USER.set(name)
    await asyncio.sleep(0)

    async def child() -> str:
        return USER.get()

    return f"{before} {await asyncio.create_task(child())}"
