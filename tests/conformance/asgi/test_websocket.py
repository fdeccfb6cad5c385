"""ASGI 3.0, websocket: the handshake, messages both ways, the close from either side, and limits."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from support.asgi import App, http_only
from support.client import Client
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from velocem import Server
from velocem.types import Message, Receive, Scope, Send

HANDSHAKE = (
    b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)


@contextmanager
def opened(app: App, server_options: dict[str, Any] | None = None, **options: Any) -> Iterator[ClientConnection]:
    with Server(http_only(app), **(server_options or {})) as server:
        url = server.url.replace("http", "ws") + "/chat?q=1"
        with connect(url, **{"compression": None, **options}) as sock:
            yield sock


async def accept(receive: Receive, send: Send, **more: Any) -> None:
    assert await receive() == {"type": "websocket.connect"}
    await send({"type": "websocket.accept", **more})


async def echo(_scope: Scope, receive: Receive, send: Send) -> None:
    await accept(receive, send)
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


# --- the handshake ----------------------------------------------------------------------------------------------------


def test_a_scope_has_what_the_standard_names() -> None:
    scopes: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await echo(scope, receive, send)

    with opened(app, subprotocols=["one", "two"], additional_headers={"X-A": "b"}):
        pass
    scope = scopes[0]
    assert (scope["type"], scope["scheme"], scope["path"], scope["query_string"]) == (
        "websocket",
        "ws",
        "/chat",
        b"q=1",
    )
    assert scope["subprotocols"] == ["one", "two"]
    assert (b"x-a", b"b") in scope["headers"]
    assert "method" not in scope
    assert scope["extensions"] == {"websocket.http.response": {}}


def test_a_subprotocol_and_headers_are_answered() -> None:
    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send, subprotocol="two", headers=[(b"x-a", b"b")])

    with opened(app, subprotocols=["one", "two"]) as sock:
        assert sock.subprotocol == "two"
        assert sock.response is not None
        assert sock.response.headers["x-a"] == "b"


@pytest.mark.parametrize(
    "more", [{"subprotocol": "three"}, {"headers": [(b"Sec-WebSocket-Protocol", b"one")]}, {"headers": [(b"a b", b"")]}]
)
def test_what_the_client_did_not_offer_is_raised(more: dict[str, Any]) -> None:
    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        with pytest.raises(ValueError, match=r"sub|sec-|token"):
            await send({"type": "websocket.accept", **more})
        await send({"type": "websocket.accept"})

    with opened(app, subprotocols=["one"]):
        pass


def refused(app: App) -> Any:
    with pytest.raises(InvalidStatus) as caught, opened(app):
        pass
    return caught.value.response


def test_a_close_before_accepting_is_403() -> None:
    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.close"})

    assert refused(app).status_code == 403


def test_a_denial_is_a_response_of_the_applications() -> None:
    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        headers = [(b"x-why", b"because")]
        await send({"type": "websocket.http.response.start", "status": 401, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": b"who ", "more_body": True})
        await send({"type": "websocket.http.response.body", "body": b"are you?"})

    response = refused(app)
    assert (response.status_code, response.headers["x-why"], response.body) == (401, "because", b"who are you?")


async def returns(_scope: Scope, _receive: Receive, _send: Send) -> None: ...


async def raises(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise KeyError


@pytest.mark.parametrize("app", [returns, raises])
def test_an_application_that_does_not_answer_is_500(app: App) -> None:
    assert refused(app).status_code == 500


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        (b"Version: 13", b"Version: 8", 426),
        (b"Key: dGhlIHNhbXBsZSBub25jZQ==", b"Key: short", 400),
    ],
)
def test_a_bad_handshake_is_refused(old: bytes, new: bytes, status: int) -> None:
    with Server(http_only(echo)) as server, Client(server) as client:
        response = client.ask(HANDSHAKE.replace(old, new) + b"\r\n")
        assert response.status == status
        assert response.get("sec-websocket-version") == ("13" if status == 426 else None)


def test_frames_right_behind_the_handshake_are_taken() -> None:
    with Server(http_only(echo)) as server, Client(server) as client:
        client.send(HANDSHAKE + b"\r\n" + b"\x81\x85\x00\x00\x00\x00hello")
        assert client.read_status()[0] == 101
        client.read_fields()
        assert client.take(7) == b"\x81\x05hello"


# --- messages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", [None, "deflate"])
@pytest.mark.parametrize("message", ["", "text", "é€🐙" * 1000, b"", b"\x00\xff", b"x" * 200_000, "y" * 1_000_000])
def test_messages_come_back(message: str | bytes, compression: str | None) -> None:
    with opened(echo, compression=compression, max_size=None) as sock:
        for _ in range(3):
            sock.send(message)
            assert sock.recv() == message


def test_fragments_are_one_message() -> None:
    with opened(echo) as sock:
        sock.send(["one ", "two ", "", "three"])
        assert sock.recv() == "one two three"


def test_pings_are_answered_while_the_application_is_busy() -> None:
    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        await asyncio.sleep(1)

    with opened(app) as sock:
        assert sock.ping().wait(0.9)


def test_many_messages_keep_their_order() -> None:
    with opened(echo) as sock:

        def send_all() -> None:
            for number in range(2000):
                sock.send(str(number))

        threading.Thread(target=send_all).start()
        assert [sock.recv() for _ in range(2000)] == [str(number) for number in range(2000)]


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ({}, ValueError),
        ({"text": None, "bytes": None}, ValueError),
        ({"text": b"x"}, TypeError),
        ({"bytes": "x"}, TypeError),
    ],
)
def test_a_bad_message_is_raised_and_the_socket_goes_on(message: Message, error: type[Exception]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        with pytest.raises(error):
            await send({"type": "websocket.send", **message})
        await send({"type": "websocket.send", "text": "still here"})

    with opened(app) as sock:
        assert sock.recv() == "still here"


# --- the close --------------------------------------------------------------------------------------------------------


def told_on_close(code: int, reason: str) -> list[Message]:
    told: list[Message] = []

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        while not told or told[-1]["type"] != "websocket.disconnect":
            told.append(await receive())

    with opened(app) as sock:
        sock.send("last words")
        sock.close(code, reason)
    return told


def test_the_peers_close_is_told_behind_its_messages() -> None:
    assert told_on_close(4001, "bye é") == [
        {"type": "websocket.receive", "text": "last words"},
        {"type": "websocket.disconnect", "code": 4001, "reason": "bye é"},
    ]


@pytest.mark.parametrize(("message", "code", "reason"), [({}, 1000, ""), ({"code": 4000, "reason": "é"}, 4000, "é")])
def test_the_applications_close_reaches_the_peer(message: Message, code: int, reason: str) -> None:
    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        await send({"type": "websocket.send", "text": "first"})
        await send({"type": "websocket.close", **message})
        with pytest.raises(RuntimeError):
            await send({"type": "websocket.send", "text": "late"})

    with opened(app) as sock:
        assert sock.recv() == "first"
        with pytest.raises(ConnectionClosed):
            sock.recv()
        assert (sock.close_code, sock.close_reason) == (code, reason)


async def leaves(_scope: Scope, receive: Receive, send: Send) -> None:
    await accept(receive, send)


async def fails(_scope: Scope, receive: Receive, send: Send) -> None:
    await accept(receive, send)
    raise KeyError


@pytest.mark.parametrize(("app", "code"), [(leaves, 1000), (fails, 1011)])
def test_the_end_of_the_application_closes(app: App, code: int) -> None:
    with opened(app) as sock:
        with pytest.raises(ConnectionClosed):
            sock.recv()
        assert sock.close_code == code


def test_a_lost_peer_is_1006_and_sending_to_it_raises() -> None:
    told: list[Any] = []
    done = threading.Event()

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        told.append(await receive())
        try:
            await send({"type": "websocket.send", "text": "late"})
        except OSError as error:
            told.append(type(error).__name__)
        done.set()

    with Server(http_only(app)) as server:
        client = Client(server)
        client.send(HANDSHAKE + b"\r\n")
        client.read_status()
        client.reset()
        assert done.wait(5)
    assert told == [{"type": "websocket.disconnect", "code": 1006, "reason": ""}, "ClientDisconnectedError"]


@pytest.mark.parametrize("ending", [b"\x88\x80\0\0\0\0", b"\xff\x80\0\0\0\0", b""], ids=["close", "bad frame", "end"])
def test_an_application_that_sends_to_a_peer_that_closed_is_not_logged(
    ending: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """The standard has send() raise there, and most applications do nothing about it."""
    raised: list[BaseException] = []

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        try:
            while True:
                await send({"type": "websocket.send", "text": "tick"})
                await asyncio.sleep(0)
        except OSError as error:
            raised.append(error)
            raise

    with Server(http_only(app)) as server, Client(server) as client:
        client.send(HANDSHAKE + b"\r\n" + ending)
        if not ending:
            client.shut()
        client.read_all_of_broken()
    assert [type(error).__name__ for error in raised] == ["ClientDisconnectedError"]
    assert "the application failed" not in caplog.text


def test_an_application_that_sends_to_a_socket_of_a_draining_server_is_told_as_of_a_peer_that_left(
    caplog: pytest.LogCaptureFixture,
) -> None:
    raised: list[BaseException] = []

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        try:
            while True:
                await send({"type": "websocket.send", "text": "tick"})
                await asyncio.sleep(0)
        except Exception as error:
            raised.append(error)
            raise

    server = Server(http_only(app))
    server.start()
    with connect(server.url.replace("http", "ws")) as sock:
        assert sock.recv() == "tick"
        stopper = threading.Thread(target=server.stop)
        stopper.start()
        with pytest.raises(ConnectionClosed):
            list(sock)
        stopper.join()
        assert sock.close_code == 1012
    assert [type(error).__name__ for error in raised] == ["ClientDisconnectedError"]
    assert "the application failed" not in caplog.text


def test_a_draining_server_says_that_it_restarts() -> None:
    told: list[Message] = []

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        told.append(await receive())

    server = Server(http_only(app))
    server.start()
    with connect(server.url.replace("http", "ws")) as sock:
        stopper = threading.Thread(target=server.stop)
        stopper.start()
        with pytest.raises(ConnectionClosed):
            sock.recv()
        assert sock.close_code == 1012
        stopper.join()
    assert [message["code"] for message in told] == [1012]


# --- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_a_message_over_the_limit_is_1009(compression: str | None) -> None:
    with opened(echo, {"ws_max_size": 1000}, compression=compression) as sock:
        sock.send("x" * 1000)
        assert sock.recv() == "x" * 1000
        sock.send("x" * 1001)
        with pytest.raises(ConnectionClosed):
            sock.recv()
        assert sock.close_code == 1009


def test_text_that_is_no_utf_8_is_1007() -> None:
    with Server(http_only(echo)) as server, Client(server) as client:
        client.send(HANDSHAKE + b"\r\n" + b"\x81\x82\x00\x00\x00\x00\xc3\x28")
        client.read_status()
        client.read_fields()
        head = client.take(4)
        assert head[0] == 0x88
        assert int.from_bytes(head[2:4]) == 1007


def test_messages_that_nobody_receives_hold_the_peer_up() -> None:
    go = threading.Event()
    count = 0

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal count
        await accept(receive, send)
        while not go.is_set():
            await asyncio.sleep(0.01)
        while (await receive())["type"] == "websocket.receive":
            count += 1

    frame = b"\x82\xfe\x04\x00\x00\x00\x00\x00" + bytes(1024)
    with Server(http_only(app), ws_max_queue=8) as server, Client(server) as client:
        client.send(HANDSHAKE + b"\r\n")
        client.read_status()
        client.read_fields()
        client.sock.settimeout(0.5)
        sent = 0
        try:
            while sent < 40_000_000:
                sent += client.sock.send(frame * 64)
        except TimeoutError:
            pass
        assert sent < 40_000_000
        go.set()
        client.sock.settimeout(10)
        rest = -sent % len(frame)
        client.sock.sendall(frame[len(frame) - rest :] if rest else b"")
        client.sock.sendall(b"\x88\x80\x00\x00\x00\x00")
        deadline = time.monotonic() + 10
        while count * len(frame) < sent and time.monotonic() < deadline:
            time.sleep(0.01)
    assert count == (sent + rest) // len(frame)


def test_a_peer_that_does_not_answer_a_ping_is_let_go() -> None:
    told: list[Message] = []
    done = threading.Event()

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        told.append(await receive())
        done.set()

    with Server(http_only(app), ws_ping_interval=0.2, ws_ping_timeout=0.2) as server, Client(server) as client:
        client.send(HANDSHAKE + b"\r\n")
        client.read_status()
        client.read_fields()
        assert client.take(2) == b"\x89\x07"
        assert done.wait(5)
    assert told == [{"type": "websocket.disconnect", "code": 1011, "reason": "keepalive ping timeout"}]


def test_a_peer_that_answers_pings_stays() -> None:
    with opened(echo, {"ws_ping_interval": 0.1, "ws_ping_timeout": 0.3}) as sock:
        time.sleep(1)
        sock.send("still here")
        assert sock.recv() == "still here"
