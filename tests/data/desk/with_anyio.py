"""An ASGI application of anyio alone: task groups, cancel scopes, and a client that leaves while they run."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
import sniffio

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

log: list[str] = []


async def answer(send: Send, text: str) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": text.encode()})


async def library() -> str:
    """In the very first step, before anything was awaited."""
    return f"{sniffio.current_async_library()} {anyio.get_current_task().id == id_of_task()}"


def id_of_task() -> int:
    return id(asyncio.current_task())


async def fail_after() -> str:
    try:
        with anyio.fail_after(0.01):
            await anyio.sleep(60)
    except TimeoutError:
        return "timed out"
    return "not timed out"


async def move_on() -> str:
    with anyio.move_on_after(0.01) as scope:
        await anyio.sleep(60)
    return str(scope.cancelled_caught)


async def group() -> str:
    results: list[int] = []

    async def one(number: int) -> None:
        await anyio.lowlevel.checkpoint()
        results.append(number * number)

    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(one, number)
    return str(sorted(results))


async def failing_group() -> str:
    """One that fails cancels the others, and the group tells of it."""
    cancelled: list[int] = []

    async def one(number: int) -> None:
        try:
            await anyio.sleep(60)
        except anyio.get_cancelled_exc_class():
            cancelled.append(number)
            raise

    async def bad() -> None:
        raise ValueError

    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one, 1)
            tasks.start_soon(one, 2)
            await anyio.lowlevel.checkpoint()
            tasks.start_soon(bad)
    except* ValueError:
        cancelled.append(3)
    return str(sorted(cancelled))


async def at_once() -> str:
    """A scope that is cancelled in the first step is left at the first wait, and nothing of it stays."""
    with anyio.CancelScope() as scope:
        scope.cancel()
        await anyio.sleep(60)
    await anyio.lowlevel.checkpoint()
    return str(scope.cancelled_caught)


async def shielded() -> str:
    done: list[str] = []
    with anyio.move_on_after(0.01):
        try:
            await anyio.sleep(60)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.01)
                done.append("cleaned up")
    return done[0]


async def in_thread() -> str:
    return await anyio.to_thread.run_sync(lambda: anyio.from_thread.run(fail_after))


async def stream() -> str:
    sender, receiver = anyio.create_memory_object_stream[int](0)

    async def produce() -> None:
        async with sender:
            for number in range(5):
                await sender.send(number)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(produce)
        async with receiver:
            return str([number async for number in receiver])


async def until_gone(receive: Receive, send: Send) -> None:
    """A task listens for the client, and its leaving cancels the work (as Starlette's and others' streams do)."""

    async def work() -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            log.append("work cancelled")
            raise

    async def listen(scope: anyio.CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        log.append("client gone")
        scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        tasks.start_soon(listen, tasks.cancel_scope)
    log.append("over")


PLAIN = {
    "/library": library,
    "/fail_after": fail_after,
    "/move_on": move_on,
    "/group": group,
    "/failing_group": failing_group,
    "/at_once": at_once,
    "/shielded": shielded,
    "/in_thread": in_thread,
    "/stream": stream,
}


async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    assert scope["type"] == "http"
    if scope["path"] == "/until_gone":
        await until_gone(receive, send)
    else:
        await answer(send, await PLAIN[scope["path"]]())
