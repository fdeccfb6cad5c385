"""anyio in a request's task: its scopes, groups and threads, and a client that leaves."""

import asyncio
from collections.abc import Callable, Iterator

import aiohttp
import httpx
import pytest
from desk import with_anyio as desk
from support.client import Client, request

from velocem import Server

Browse = Callable[[Server], httpx.Client]
Until = Callable[[Callable[[], bool]], None]

ANSWERS = {
    "/library": "asyncio True",
    "/fail_after": "timed out",
    "/move_on": "True",
    "/group": "[0, 1, 4, 9, 16]",
    "/failing_group": "[1, 2, 3]",
    "/at_once": "True",
    "/shielded": "cleaned up",
    "/in_thread": "timed out",
    "/stream": "[0, 1, 2, 3, 4]",
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(desk.app) as running:
        yield running


@pytest.mark.parametrize(("path", "text"), ANSWERS.items())
def test_it_works_in_every_request(server: Server, browse: Browse, path: str, text: str) -> None:
    """The later ones may find a task that was used before, and must find nothing of who used it."""
    client = browse(server)
    assert [client.get(path).text for _ in range(4)] == [text] * 4


def test_all_of_it_at_once(server: Server) -> None:
    """Scopes of requests that run beside each other do not touch each other."""
    paths = list(ANSWERS) * 12

    async def ask() -> list[str]:
        async with aiohttp.ClientSession(server.url) as session:

            async def one(path: str) -> str:
                async with session.get(path) as response:
                    return await response.text()

            return await asyncio.gather(*map(one, paths))

    assert asyncio.run(ask()) == [ANSWERS[path] for path in paths]


def test_a_client_that_leaves_while_a_group_runs(server: Server, browse: Browse, until: Until) -> None:
    desk.log.clear()
    with Client(server) as leaver:
        leaver.send(request(target="/until_gone"))
        assert leaver.read_status() == (200, "OK")
        leaver.reset()
    until(lambda: desk.log == ["client gone", "work cancelled", "over"])
    assert browse(server).get("/group").text == ANSWERS["/group"]


def test_a_group_that_runs_ends_with_the_server(until: Until) -> None:
    desk.log.clear()
    with Server(desk.app) as server, Client(server) as client:
        client.send(request(target="/until_gone"))
        assert client.read_status() == (200, "OK")
    assert desk.log == ["client gone", "work cancelled", "over"]
