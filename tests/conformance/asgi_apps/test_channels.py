"""Django's ASGI handler and a Channels chat.

They are served by the command: Django is set up once in a process, and in this one by another test.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from support.client import Client, request
from support.process import Process
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

DATA = Path(__file__).resolve().parents[2] / "data"

Until = Callable[[Callable[[], bool]], None]


@pytest.fixture(scope="module")
def chat() -> Iterator[Process]:
    with Process("desk.channels_chat:app", "--port", "0", cwd=DATA) as process:
        yield process
        process.popen.terminate()
        assert process.wait() == 0
    said = "".join(process.errors)
    assert "Traceback" not in said, said


@pytest.fixture
def client(chat: Process) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=chat.urls[0], trust_env=False, timeout=30) as client:
        yield client


def test_views_of_both_kinds(client: httpx.Client) -> None:
    data = b"x" * 3_000_000
    assert client.post("/hello?name=a%20b", content=data).json() == {"method": "POST", "size": len(data), "name": "a b"}
    assert client.get("/blocking", headers={"X-A": "b"}).text == "blocking b"
    assert client.get("/nothing").status_code == 404


def test_an_asynchronous_stream(client: httpx.Client) -> None:
    response = client.get("/stream")
    assert response.headers["Transfer-Encoding"] == "chunked"
    assert response.text.split() == [str(number) for number in range(100)]


def test_a_consumer_of_http(client: httpx.Client) -> None:
    assert client.post("/consumer", content=b"hello").text == "HELLO"


def test_a_client_that_leaves_cancels_its_view(chat: Process, client: httpx.Client) -> None:
    """Django listens for http.disconnect and cancels the view itself."""
    with Client(chat.address) as leaver:
        leaver.send(request(target="/watched"))
        assert leaver.is_silent()
        leaver.reset()
    assert client.get("/blocking", headers={"X-A": "c"}).text == "blocking c"


def test_a_chat(chat: Process) -> None:
    url = chat.urls[0].replace("http", "ws") + "/chat/"

    async def say(socket: ClientConnection, text: str, *listeners: ClientConnection) -> None:
        await socket.send(json.dumps({"text": text}))
        for listener in (socket, *listeners):
            assert json.loads(await listener.recv()) == {"text": text}

    async def talk() -> None:
        async with connect(url + "one") as ann, connect(url + "one", subprotocols=[Subprotocol("chat")]) as bob:
            assert bob.subprotocol == "chat"
            async with connect(url + "two") as other:
                for number in range(50):
                    await say(ann, f"from ann {number}", bob)
                    await say(bob, f"from bob {number}", ann)
                await say(other, "alone")
        async with connect(url + "one") as again:
            await say(again, "nobody else is here")

    asyncio.run(talk())


def test_a_room_that_is_closed(chat: Process) -> None:
    async def enter() -> int:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(chat.urls[0].replace("http", "ws") + "/chat/closed"):
                pass
        return refused.value.response.status_code

    assert asyncio.run(enter()) == 403


def test_a_consumer_in_threads(chat: Process) -> None:
    async def talk() -> tuple[int, str]:
        async with connect(chat.urls[0].replace("http", "ws") + "/blocking") as socket:
            for data in ("text", b"\0\1", "x" * 100_000):
                await socket.send(data)
                assert await socket.recv() == data
            await socket.send("bye")
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
        assert closed.value.rcvd is not None
        return closed.value.rcvd.code, closed.value.rcvd.reason

    assert asyncio.run(talk()) == (4000, "as you like")
