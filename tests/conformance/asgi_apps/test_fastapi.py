"""A FastAPI application with dependencies, forms, events of sse-starlette, WebSockets and lifespan state."""

import asyncio
import itertools
import json
import threading
from collections.abc import Callable, Iterator

import aiohttp
import httpx
import pytest
from desk import fastapi_board as desk
from desk.shared import digest
from support.client import Client, request
from websockets.asyncio.client import connect

from velocem import Server

Browse = Callable[[Server], httpx.Client]
Until = Callable[[Callable[[], bool]], None]

PICTURES = {"a.raw": bytes(range(256)) * 8000, "b.raw": b"", "ü.raw": b"\r\n--\r\n" * 1000}


@pytest.fixture
def server() -> Iterator[Server]:
    desk.log.clear()
    with Server("desk.fastapi_board:app") as running:
        assert desk.log == ["start"]
        desk.log.clear()
        yield running
    assert desk.log[-1] == "stop"


@pytest.fixture
def client(server: Server, browse: Browse) -> httpx.Client:
    return browse(server)


def test_dependencies_are_opened_and_closed(client: httpx.Client, until: Until) -> None:
    assert client.get("/dependencies", headers={"X-User": "ann"}).json() == ["session", "thread", "ann"]
    until(lambda: len(desk.log) == 4)
    assert desk.log == ["session opened", "thread opened", "thread closed", "session closed"]


def test_a_dependency_that_refuses(client: httpx.Client, until: Until) -> None:
    response = client.get("/dependencies")
    assert (response.status_code, response.json()) == (401, {"detail": "who are you?"})
    until(lambda: desk.log[-1] == "session closed")


def test_a_form_is_validated_and_state_is_shared(client: httpx.Client, until: Until) -> None:
    ann = {"X-User": "ann"}
    assert client.post("/board", data={"text": "x"}, headers=ann).status_code == 422
    assert client.post("/board", data={"text": "second"}, headers=ann).status_code == 201
    until(lambda: desk.log == ["noted ann"])
    assert client.get("/board").json() == ["first", "second"]


def test_several_files_in_one_form(client: httpx.Client) -> None:
    files = [("files", (name, data)) for name, data in PICTURES.items()]
    response = client.post("/pictures", data={"title": "three"}, files=files)
    assert response.json() == {
        "title": "three",
        "files": {name: digest(data) for name, data in PICTURES.items()},
    }


def test_cors(client: httpx.Client) -> None:
    headers = {"Origin": "https://elsewhere.test", "Access-Control-Request-Method": "PUT"}
    assert client.options("/board", headers=headers).headers["Access-Control-Allow-Origin"] == headers["Origin"]
    assert client.get("/openapi.json").json()["info"]["title"] == "FastAPI"


def test_events_come_one_by_one_and_end_with_their_reader(
    server: Server, client: httpx.Client, browse: Browse, until: Until
) -> None:
    with client.stream("GET", "/events") as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        lines = response.iter_lines()
        assert [next(lines) for _ in range(4)] == ["id: 0", "event: hello", "data: welcome", ""]
        for text in ("one more", "and one"):
            browse(server).post("/board", data={"text": text}, headers={"X-User": "bob"})
            assert [next(lines) for _ in range(3)] == ["event: post", f"data: {text}", ""]
    until(lambda: "reader left" in desk.log)


def test_a_reader_of_events_does_not_hold_up_the_end(browse: Browse) -> None:
    """sse-starlette listens for http.disconnect, which a server that drains gives."""
    desk.log.clear()
    with Server(desk.app) as server, browse(server).stream("GET", "/events") as response:
        lines = response.iter_lines()
        assert next(lines) == "id: 0"
        stopper = threading.Thread(target=server.stop)
        stopper.start()
        stopper.join(20)
        assert not stopper.is_alive()
    assert desk.log == ["start", "reader left", "stop"]


def test_a_handler_sees_its_client_leave(server: Server, until: Until) -> None:
    with Client(server) as leaver:
        leaver.send(request(target="/watched"))
        assert leaver.is_silent()
        leaver.reset()
    until(lambda: desk.log == ["saw it leave"])


def test_websockets_with_a_dependency_and_state(server: Server, until: Until) -> None:
    async def talk(room: str) -> list[int]:
        async with connect(f"{server.url.replace('http', 'ws')}/board/{room}") as socket:
            assert socket.response is not None
            assert socket.response.headers["X-Room"] == room
            counts: list[int] = []
            for number in range(20):
                await socket.send(json.dumps({"text": f"{room} {number}"}))
                answer = json.loads(await socket.recv())
                assert (answer["room"], answer["who"]) == (room, "session")
                counts.append(answer["count"])
            return counts

    async def talk_all() -> list[list[int]]:
        return await asyncio.gather(*[talk(f"room{number}") for number in range(5)])

    counts = asyncio.run(talk_all())
    assert sorted(itertools.chain.from_iterable(counts)) == list(range(2, 102))
    until(lambda: sum(line.startswith("left room") for line in desk.log) == 5)
    assert desk.log.count("session closed") == 5


def test_a_websocket_of_aiohttp_with_compression(server: Server) -> None:
    async def talk() -> int:
        url = f"{server.url}/board/big"
        async with aiohttp.ClientSession() as session, session.ws_connect(url, compress=15) as socket:
            assert socket.compress == 12  # the window that the server has chosen
            await socket.send_json({"text": "x" * 500_000})
            return int((await socket.receive_json())["count"])

    assert asyncio.run(talk()) == 2
