"""One application in FastAPI, Litestar, Quart and BlackSheep, each as its users write it (tests/data/desk)."""

import asyncio
import importlib
import random
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import httpx
import pytest
from desk.shared import BLOCK, digest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from velocem import Server

Browse = Callable[[Server], httpx.Client]
Until = Callable[[Callable[[], bool]], None]

PHOTO = random.Random(3).randbytes(3 << 20)


@pytest.fixture(scope="module", params=["fastapi", "litestar", "quart", "blacksheep"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def done(name: str) -> list[str]:
    """What the application has noted."""
    noted: list[str] = importlib.import_module(f"desk.in_{name}").done
    noted.clear()
    return noted


@pytest.fixture(scope="module")
def server(name: str, done: list[str]) -> Iterator[Server]:
    """By its import string, so that it is seen for an ASGI application; with its lifespan to the end."""
    with Server(f"desk.in_{name}:app") as running:
        yield running
    assert done.count("stopped") == 1


@pytest.fixture
def client(server: Server, browse: Browse) -> httpx.Client:
    return browse(server)


def test_its_lifespan_has_begun(client: httpx.Client) -> None:
    assert client.get("/started").json() == ["started"]


def test_path_and_query(client: httpx.Client) -> None:
    response = client.get("/items/7", params={"q": "a b&ü"})
    assert response.json() == {"number": 7, "q": "a b&ü"}
    assert client.get("/nothing").status_code == 404


def test_json(client: httpx.Client) -> None:
    response = client.post("/items", json={"name": "chair", "price": 1.5})
    assert (response.status_code, response.json()) == (201, {"name": "chair", "price": 1.5})


def test_an_upload(client: httpx.Client) -> None:
    response = client.post("/upload", files={"file": ("photo.raw", PHOTO)})
    assert response.status_code == 201
    assert response.json() == {"name": "photo.raw", "size": len(PHOTO), "sha256": digest(PHOTO)}


def test_a_body_of_unknown_length(client: httpx.Client) -> None:
    response = client.post("/size", content=(PHOTO[at : at + 100_000] for at in range(0, len(PHOTO), 100_000)))
    assert response.json() == {"size": len(PHOTO)}


def test_a_stream(client: httpx.Client) -> None:
    with client.stream("GET", "/stream", params={"count": 300}) as response:
        assert response.headers["Transfer-Encoding"] == "chunked"
        assert b"".join(response.iter_raw()) == BLOCK * 300


def test_head_has_no_body(client: httpx.Client) -> None:
    response = client.head("/items/1")
    assert response.status_code in (200, 404, 405)  # not all route HEAD to what answers GET
    assert response.content == b""
    assert client.get("/items/1").status_code == 200


def test_a_handler_that_fails(client: httpx.Client, capfd: pytest.CaptureFixture[str]) -> None:
    assert client.get("/fail").status_code == 500
    assert client.get("/items/1").status_code == 200
    capfd.readouterr()


def test_cookies(client: httpx.Client) -> None:
    assert client.get("/whoami").text == "nobody"
    assert len(client.get("/login").headers.get_list("set-cookie")) == 2
    assert client.get("/whoami").text == "ann"


def test_a_redirect(client: httpx.Client) -> None:
    response = client.get("/old", follow_redirects=True)
    assert [one.status_code for one in response.history] == [307]
    assert response.json()["number"] == 1


def test_tasks(client: httpx.Client) -> None:
    """A timeout, a task group, and a context of its own for each request, in the first step and behind it."""
    assert client.get("/timeout").text == "timed out"
    assert client.get("/group").json() == [0, 1, 4, 9]
    for name in ("ann", "bob"):
        assert client.get(f"/who/{name}").text == f"nobody {name}"


def test_a_blocking_handler(client: httpx.Client) -> None:
    assert client.get("/blocking").text == "from a thread"


def test_what_is_done_behind_the_answer(client: httpx.Client, done: list[str], until: Until) -> None:
    done.clear()
    assert client.get("/later").text == "soon"
    until(lambda: done == ["later"])
    assert client.get("/done").json() == ["later"]


def test_many_at_once(server: Server) -> None:
    """The requests of many connections run beside each other."""

    async def ask() -> list[Any]:
        async with aiohttp.ClientSession(server.url) as session:

            async def one(number: int) -> Any:
                async with session.get(f"/items/{number}", params={"q": str(number)}) as response:
                    return await response.json()

            return await asyncio.gather(*map(one, range(100)))

    assert asyncio.run(ask()) == [{"number": number, "q": str(number)} for number in range(100)]


def test_a_websocket(server: Server) -> None:
    with connect(server.url.replace("http", "ws") + "/echo", subprotocols=[Subprotocol("chat")]) as socket:
        assert socket.subprotocol == "chat"
        socket.send("hello")
        assert socket.recv() == "HELLO"
        socket.send(PHOTO[:1_000_000])
        assert socket.recv() == PHOTO[:1_000_000][::-1]
        socket.send("bye")
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "as you like")


def test_a_websocket_that_leaves(server: Server, done: list[str], until: Until) -> None:
    done.clear()

    async def talk() -> None:
        async with aiohttp.ClientSession() as session, session.ws_connect(server.url + "/echo", compress=15) as socket:
            await socket.send_str("one")
            assert await socket.receive_str() == "ONE"
            await socket.send_bytes(b"abc")
            assert await socket.receive_bytes() == b"cba"

    asyncio.run(talk())
    until(lambda: done == ["left"])


def test_a_websocket_that_is_not_accepted(server: Server) -> None:
    with pytest.raises(InvalidStatus) as refused, connect(server.url.replace("http", "ws") + "/private"):
        pass
    assert refused.value.response.status_code == 403
