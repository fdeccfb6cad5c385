"""python-socketio, with its own client, by polling, by WebSocket, and from the one to the other."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import httpx
import pytest
import socketio
from desk import with_socketio as desk

from velocem import Server

Until = Callable[[Callable[[], bool]], None]

TRANSPORTS = {"polling": ["polling"], "websocket": ["websocket"], "upgraded": ["polling", "websocket"]}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A poll that waits goes on when its client has left: it is not waited for."""
    with Server(desk.app, timeout_graceful_shutdown=0.5) as running:
        yield running


Talk = Callable[[aiohttp.ClientSession], Awaitable[Any]]


def run(talk: Talk) -> Any:
    """With a session for all clients, whose tasks do not outlive it: what polls would wait half a minute."""

    async def inner() -> Any:
        async with aiohttp.ClientSession() as session:
            try:
                return await talk(session)
            finally:
                tasks = asyncio.all_tasks() - {asyncio.current_task()}
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    return asyncio.run(inner())


@asynccontextmanager
async def joined(
    session: aiohttp.ClientSession, server: Server, name: str, transports: list[str]
) -> AsyncIterator[socketio.AsyncClient]:
    """Let go by the server."""
    client = socketio.AsyncClient(reconnection=False, http_session=session)
    left = asyncio.Event()
    client.on("disconnect", lambda *_: left.set())
    await client.connect(server.url, auth={"name": name}, transports=transports, wait_timeout=20)
    yield client
    await client.emit("leave")
    await asyncio.wait_for(left.wait(), 20)


@pytest.mark.parametrize("transports", TRANSPORTS.values(), ids=TRANSPORTS)
def test_events_and_their_answers(server: Server, until: Until, transports: list[str]) -> None:
    desk.log.clear()

    async def talk(session: aiohttp.ClientSession) -> None:
        async with joined(session, server, "ann", transports) as client:
            assert client.transport() == transports[-1]
            assert await client.call("whoami") == "ann"
            for size in (0, 1, 1000, 500_000):
                data = bytes(range(256)) * (size // 256 + 1)
                assert await client.call("reverse", data[:size]) == data[:size][::-1]

    run(talk)
    until(lambda: desk.log == ["ann left: server disconnect"])


def test_rooms_across_transports(server: Server) -> None:
    async def talk(session: aiohttp.ClientSession) -> list[Any]:
        heard: asyncio.Queue[Any] = asyncio.Queue()
        async with (
            joined(session, server, "ann", ["websocket"]) as ann,
            joined(session, server, "bob", ["polling"]) as bob,
        ):
            for client, name in ((ann, "ann"), (bob, "bob")):
                client.on("said", lambda room, what, name=name: heard.put_nowait((name, room, what)))
                assert await client.call("enter", "attic") == "attic"
            await ann.emit("say", ("attic", {"n": 1, "data": b"\0\1"}))
            first = await heard.get()
            await bob.emit("say", ("attic", "two"))
            return [first, await heard.get()]

    assert run(talk) == [("bob", "attic", {"n": 1, "data": b"\0\1"}), ("ann", "attic", "two")]


def test_who_is_refused(server: Server) -> None:
    async def enter(session: aiohttp.ClientSession) -> None:
        client = socketio.AsyncClient(reconnection=False, http_session=session)
        with pytest.raises(socketio.exceptions.ConnectionError, match="failed to connect"):
            await client.connect(server.url, transports=["websocket"], wait_timeout=20)

    run(enter)


def test_the_application_beside_it(server: Server) -> None:
    assert httpx.get(server.url, trust_env=False).text == "beside it"
