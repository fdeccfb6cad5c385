"""WebSockets of an App, on Velocem's server and on uvicorn: types, refusals, closes, topics."""

import asyncio
import json
import logging
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Annotated, Any

import msgspec
import pytest
import uvicorn
from support.client import Client as RawClient
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from velocem import App, Depends, Forbidden, Group, Header, Response, Server, WebSocket, WebSocketClosed
from velocem.exceptions import StartError


class Msg(msgspec.Struct):
    text: str
    n: int = 0


class Session:
    pass


def build(said: list[str]) -> App:  # noqa: PLR0915
    app = App()

    @app.provide
    async def session() -> AsyncIterator[Session]:
        yield Session()
        said.append("session ended")

    @app.ws("/echo")
    async def echo(ws: WebSocket[Msg, Msg]) -> None:
        async for msg in ws:
            await ws.send(Msg(msg.text, msg.n + 1))
        said.append(f"over {ws.code} {ws.reason}")

    @app.ws("/raw", message_limit="1k")
    async def raw(ws: WebSocket) -> None:  # type: ignore[type-arg]
        async for msg in ws:
            await ws.send(msg)

    @app.ws("/text")
    async def text(ws: WebSocket[str, str]) -> None:
        async for msg in ws:
            await ws.send(msg)

    @app.ws("/bytes")
    async def binary(ws: WebSocket[bytes, bytes]) -> None:
        try:
            await ws.send(await ws.receive())
            await ws.receive()
        except WebSocketClosed as closed:
            said.append(f"{closed.code} {closed.reason}")
            raise

    @app.ws("/room/{number:int}", subprotocols=["v2", "v1"])
    async def room(ws: WebSocket[str, Any], number: int, s: Session, q: int = 7, x_a: Header[str] = "none") -> None:
        await ws.accept(headers={"x-room": str(number)})
        await ws.send({"number": number, "q": q, "a": x_a, "session": isinstance(s, Session)})
        await ws.close(4001, "as agreed")

    @app.ws("/refused")
    async def refused(ws: WebSocket[str, str]) -> None:
        raise Forbidden("not you")

    @app.ws("/unused")
    async def unused(ws: WebSocket[str, str]) -> None:
        pass

    @app.ws("/returned")
    async def returned(ws: WebSocket[str, str]) -> Response:
        return Response("later", 503)

    @app.ws("/fails")
    async def fails(ws: WebSocket[str, str]) -> None:
        await ws.send("a")
        raise ZeroDivisionError

    @app.ws("/policy")
    async def policy(ws: WebSocket[str, str]) -> None:
        await ws.accept()
        raise Forbidden("enough")

    @app.ws("/topic/{name}")
    async def topic(ws: WebSocket[str, Any], name: str) -> None:
        ws.subscribe(name)
        await ws.send("ready")
        async for msg in ws:
            if msg == "leave":
                ws.unsubscribe(name)
                await ws.send("left")
            else:
                app.publish(name, json.loads(msg))

    @app.post("/publish/{name}", blocking=True)
    def publish(name: str, text: str) -> None:
        app.publish(name, text)

    async def key(ws: WebSocket[Any, Any], key: str = "") -> str:
        if key != "yes":
            raise Forbidden("no key")
        return key

    @app.ws("/depends")
    async def depends(ws: WebSocket[str, str], key: Annotated[str, Depends(key)]) -> None:
        await ws.send(key)

    def require(key: str = "") -> Response | None:
        return None if key == "yes" else Response("no key", 401)

    group = Group("/api", before=[require])

    @group.ws("/a")
    async def guarded(ws: WebSocket[str, str]) -> None:
        await ws.send("in")

    app.include(group)
    return app


@pytest.fixture(name="said")
def make_said() -> list[str]:
    return []


@pytest.fixture(name="url", params=["velocem", "uvicorn"])
def make_url(request: pytest.FixtureRequest, said: list[str]) -> Iterator[str]:
    app = build(said)
    if request.param == "velocem":
        with Server(app) as server:
            yield server.url.replace("http", "ws", 1)
    else:
        with by_uvicorn(app) as url:
            yield url


@contextmanager
def by_uvicorn(app: App) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(app, log_level="error", lifespan="on", ws="websockets-sansio")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
        thread.start()
        try:
            yield f"ws://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def closed_of(ws: ClientConnection) -> tuple[int, str]:
    with suppress(ConnectionClosed):
        while True:
            ws.recv(timeout=10)
    assert ws.close_code is not None
    return ws.close_code, ws.close_reason or ""


def status_of(url: str) -> tuple[int, bytes]:
    with pytest.raises(InvalidStatus) as caught, connect(url):
        pass
    return caught.value.response.status_code, bytes(caught.value.response.body or b"")


def test_typed_messages(url: str, said: list[str]) -> None:
    with connect(url + "/echo") as ws:
        ws.send('{"text":"ä","n":1}')
        assert json.loads(ws.recv(timeout=10)) == {"text": "ä", "n": 2}
        ws.send(b'{"text":"b"}')
        assert ws.recv(timeout=10) == '{"text":"b","n":1}'


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("{", "message: Input data was truncated"),
        ('{"n":1}', "text: is missing"),
        ('{"text":1}', "text: Expected `str`, got `int`"),
        (b"\xff", "message: "),
    ],
)
def test_a_bad_message_is_1007(url: str, said: list[str], message: str | bytes, reason: str) -> None:
    with connect(url + "/echo") as ws:
        ws.send(message)
        code, told = closed_of(ws)
        assert code == 1007
        assert told.startswith(reason)
    wait_for(lambda: bool(said))
    assert said[0].startswith("over 1007")


def test_what_is_told_of_a_bad_message_fits(url: str) -> None:
    with connect(url + "/echo") as ws:
        ws.send('[{"text":1}]' * 2 + "ä" * 200)
        assert closed_of(ws)[0] == 1007


def test_messages_of_the_wrong_kind_are_1003(url: str, said: list[str]) -> None:
    with connect(url + "/text") as ws:
        ws.send("a")
        assert ws.recv(timeout=10) == "a"
        ws.send(b"a")
        assert closed_of(ws) == (1003, "text is expected")
    with connect(url + "/bytes") as ws:
        ws.send(b"\x00a")
        assert ws.recv(timeout=10) == b"\x00a"
        ws.send("a")
        assert closed_of(ws) == (1003, "binary data is expected")
    wait_for(lambda: "1003 binary data is expected" in said)


def test_messages_without_a_type_are_as_they_come_and_are_limited(url: str) -> None:
    with connect(url + "/raw") as ws:
        for message in ("a", b"a", "x" * 1024):
            ws.send(message)
            assert ws.recv(timeout=10) == message
        ws.send("x" * 1025)
        assert closed_of(ws) == (1009, "a message has at most 1024 bytes")


def test_arguments_subprotocols_fields_and_the_close(url: str, said: list[str]) -> None:
    with connect(url + "/room/3?q=8", subprotocols=["v1", "v2"], additional_headers={"X-A": "b"}) as ws:  # type: ignore[list-item]
        assert ws.subprotocol == "v1"
        assert ws.response is not None
        assert ws.response.headers["x-room"] == "3"
        assert json.loads(ws.recv(timeout=10)) == {"number": 3, "q": 8, "a": "b", "session": True}
        assert closed_of(ws) == (4001, "as agreed")
    wait_for(lambda: said == ["session ended"])


def test_handshakes_that_are_refused(url: str, caplog: pytest.LogCaptureFixture) -> None:
    status, body = status_of(url + "/room/3?q=x")
    assert (status, json.loads(body)["errors"][0]["loc"]) == (422, ["query", "q"])
    status, body = status_of(url + "/refused")
    assert (status, json.loads(body)["detail"]) == (403, "not you")
    assert status_of(url + "/returned") == (503, b"later")
    assert status_of(url + "/unused")[0] == 403
    assert status_of(url + "/nothing")[0] == 404
    assert status_of(url + "/room/x")[0] == 404
    assert status_of(url + "/publish/x")[0] == 405
    assert status_of(url + "/depends")[0] == 403
    assert status_of(url + "/api/a") == (401, b"no key")
    assert not [one for one in caplog.records if one.name == "velocem"]
    for path in ("/depends?key=yes", "/api/a?key=yes"):
        with connect(url + path) as ws:
            assert ws.recv(timeout=10) == ("yes" if "depends" in path else "in")
            assert closed_of(ws) == (1000, "")


def test_exceptions_of_handlers(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with connect(url + "/fails") as ws:
        assert closed_of(ws) == (1011, "internal error")
    assert "/fails failed" in caplog.text
    assert "ZeroDivisionError" in caplog.text
    with connect(url + "/policy") as ws:
        assert closed_of(ws) == (1008, "enough")


def test_topics(url: str) -> None:
    with connect(url + "/topic/a") as one, connect(url + "/topic/a") as two, connect(url + "/topic/b") as other:
        for ws in (one, two, other):
            assert ws.recv(timeout=10) == "ready"
        one.send('{"x": [1, "ä"]}')
        assert one.recv(timeout=10) == two.recv(timeout=10) == '{"x":[1,"ä"]}'
        two.send("leave")
        assert two.recv(timeout=10) == "left"
        one.send('"%s"' % ("z" * 70000))
        assert one.recv(timeout=10) == "z" * 70000
        other.send("1")
        assert other.recv(timeout=10) == "1"
        two.send("leave")
        assert two.recv(timeout=10) == "left"  # and nothing before it


def test_publishing_from_a_thread(url: str) -> None:
    with connect(url + "/topic/a") as ws:
        assert ws.recv(timeout=10) == "ready"
        host, _, port = url.removeprefix("ws://").partition(":")
        with RawClient((host, int(port))) as client:
            sent = client.ask(b"POST /publish/a?text=hello HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
            assert sent.status == 204
        assert ws.recv(timeout=10) == "hello"


def test_requests_that_are_no_handshake(said: list[str], caplog: pytest.LogCaptureFixture) -> None:
    with Server(build(said)) as server, RawClient(server) as client:
        refused = client.ask(b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (refused.status, refused.get("Allow")) == (405, "OPTIONS")
        assert client.ask(b"WEBSOCKET /echo HTTP/1.1\r\nHost: a\r\n\r\n").status == 405
    assert not [one for one in caplog.records if one.levelno >= logging.ERROR]


def test_a_subscriber_that_does_not_read_is_dropped_with_1013(said: list[str]) -> None:
    app = App()
    over: list[tuple[int, str]] = []

    @app.ws("/slow")
    async def slow(ws: WebSocket[str, str]) -> None:
        ws.subscribe("a")
        try:
            while True:
                await ws.receive()
        except WebSocketClosed as closed:
            over.append((closed.code, closed.reason))

    @app.ws("/fast")
    async def fast(ws: WebSocket[str, str]) -> None:
        ws.subscribe("a")
        async for _ in ws:
            app.publish("a", "x" * 100_000)

    with Server(app, ws_per_message_deflate=False) as server:
        url = server.url.replace("http", "ws", 1)
        with RawClient(server, receive_buffer=4096) as sleeper, connect(url + "/fast") as ws:
            shake = (
                "GET /slow HTTP/1.1",
                "Host: a",
                "Upgrade: websocket",
                "Connection: Upgrade",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                "Sec-WebSocket-Version: 13",
                "",
                "",
            )
            sleeper.send("\r\n".join(shake).encode())
            assert sleeper.read_status()[0] == 101
            for _ in range(400):
                ws.send("go")
                assert len(ws.recv(timeout=10)) == 100_000
                if over:
                    break
    assert over == [(1013, "too slow")]


def test_a_stopping_server_ends_sockets(said: list[str]) -> None:
    with ExitStack() as stack:
        with Server(build(said)) as server:
            ws = stack.enter_context(connect(server.url.replace("http", "ws", 1) + "/echo"))
            ws.send('{"text":"a"}')
            ws.recv(timeout=10)
        assert closed_of(ws)[0] == 1012
    assert said == ["over 1012 service restart"]


def test_starts_that_cannot_be() -> None:
    app = App()

    @app.ws("/a")
    def sync(ws: WebSocket[str, str]) -> None: ...

    with pytest.raises(StartError, match="the handler of a WebSocket is async def"):
        app.router()
    app = App()

    @app.get("/a")
    def no_socket(ws: WebSocket[str, str]) -> None: ...

    with pytest.raises(StartError, match=r"a WebSocket is for @app\.ws"):
        app.router()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = threading.Event()
    for _ in range(1000):
        if condition():
            return
        deadline.wait(0.01)
    raise AssertionError("it did not come true")
