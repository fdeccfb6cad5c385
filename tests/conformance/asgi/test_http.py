"""ASGI 3.0, http: scopes, messages both ways in their order, and what is said of every slip."""

import asyncio
import threading
import time
from typing import Any

import pytest
from support.asgi import answer, ask, body, error_of, http_only, read, scope_of, start
from support.client import Client, request

from velocem import Server
from velocem.exceptions import ClientDisconnectedError
from velocem.types import Message, Receive, Scope, Send

# --- scopes -----------------------------------------------------------------------------------------------------------


def test_a_scope_has_what_the_standard_names() -> None:
    scope = scope_of(request("PUT", "/a%20b/%C3%A9?q=%20x&q=2", "X-One: 1", "x-ONE: 2", body=b"x"))
    assert scope["type"] == "http"
    assert scope["asgi"]["version"] == "3.0"
    assert (scope["http_version"], scope["method"], scope["scheme"]) == ("1.1", "PUT", "http")
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/a b/é", b"/a%20b/%C3%A9", b"q=%20x&q=2")
    assert scope["root_path"] == ""
    assert [value for name, value in scope["headers"] if name == b"x-one"] == [b"1", b"2"]
    assert all(name == name.lower() for name, _ in scope["headers"])
    assert scope["server"][0] == "127.0.0.1"
    assert scope["client"][0] == "127.0.0.1"
    assert isinstance(scope["client"][1], int)


def test_values_are_bytes_as_they_came() -> None:
    headers = dict(scope_of(b"GET / HTTP/1.1\r\nHost: a\r\nX: caf\xe9 \r\nX-Empty:\r\n\r\n")["headers"])
    assert (headers[b"x"], headers[b"x-empty"], headers[b"host"]) == (b"caf\xe9", b"", b"a")


def test_http_1_0_is_told() -> None:
    assert scope_of(b"GET / HTTP/1.0\r\n\r\n")["http_version"] == "1.0"


def test_a_path_that_is_no_utf_8_is_still_a_path() -> None:
    scope = scope_of(request("GET", "/%ff%fe"))
    assert (scope["path"], scope["raw_path"]) == ("/��", b"/%ff%fe")


def test_what_an_application_changes_is_its_own() -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        seen.append({**scope, "extensions": dict(scope["extensions"])})
        scope["extensions"]["mine"] = {}
        scope["headers"].append((b"mine", b"x"))
        scope["path"] = "/changed"
        await answer(send)

    with Server(http_only(app)) as server, Client(server) as client:
        for _ in range(3):
            client.ask(request("GET", "/same"))
    assert all("mine" not in scope["extensions"] and scope["path"] == "/same" for scope in seen)


# --- bodies in --------------------------------------------------------------------------------------------------------


def test_a_body_that_is_here_comes_in_one_message() -> None:
    messages: list[Message] = []

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        messages.append(await receive())
        await answer(send)

    ask(app, request("POST", "/", body=b"hello"))
    assert messages == [{"type": "http.request", "body": b"hello", "more_body": False}]


def test_no_body_is_an_empty_message() -> None:
    messages: list[Message] = []

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        messages.append(await receive())
        await answer(send)

    ask(app)
    assert messages == [{"type": "http.request", "body": b"", "more_body": False}]


@pytest.mark.parametrize("size", [1, 65535, 65536, 65537, 1_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_long_body_comes_in_pieces(size: int, chunked: bool) -> None:
    data = bytes(range(256)) * (size // 256 + 1)

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, await read(receive))

    if chunked:
        pieces = [data[i : i + 9000] for i in range(0, size, 9000)]
        wire = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        whole = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + wire
        data = b"".join(pieces)
    else:
        data = data[:size]
        whole = request("POST", "/", body=data)
    assert ask(app, whole).body == data


def test_a_slow_body_is_waited_for() -> None:
    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, await read(receive))

    with Server(http_only(app)) as server, Client(server) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nab")
        assert client.is_silent()
        client.send(b"cd")
        assert client.is_silent()
        client.send(b"ef")
        assert client.read().body == b"abcdef"


def test_100_continue_is_sent_when_the_body_is_asked_for() -> None:
    asked = threading.Event()

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.2)
        asked.set()
        await answer(send, await read(receive))

    with Server(http_only(app)) as server, Client(server) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert client.read_status()[0] == 100
        assert asked.is_set()
        client.read_fields()
        client.send(b"hello")
        assert client.read().body == b"hello"


def test_a_body_that_nobody_asks_for_gets_no_100() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await answer(send, b"no", 413)

    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    response = ask(app, head)
    assert response.status == 413
    assert response.closes


# --- replies ----------------------------------------------------------------------------------------------------------


def test_a_whole_body_has_its_length() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await answer(send, b"hello")

    response = ask(app)
    assert (response.framing, response.body) == ("length", b"hello")


def test_a_streamed_body_is_chunked_and_each_part_leaves_at_once() -> None:
    go = threading.Event()

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(start())
        await send(body(b"one", more=True))
        while not go.is_set():
            await asyncio.sleep(0.01)
        await send(body(b"two"))

    with Server(http_only(app)) as server, Client(server) as client:
        client.send(request())
        while b"one" not in client.pending:
            client.fill()
        go.set()
        assert client.read().body == b"onetwo"


def test_an_announced_length_is_kept() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(start(200, (b"Content-Length", b"5")))
        await send(body(b"hel", more=True))
        await send(body(b"lo"))

    response = ask(app)
    assert (response.framing, response.get("content-length"), response.body) == ("length", "5", b"hello")


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_a_body_have_none(status: int) -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await answer(send, b"ignored", status)

    assert ask(app).framing == "none"


def test_head_gets_the_fields_and_no_body() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await answer(send, b"hello")

    response = ask(app, request("HEAD", "/"))
    assert (response.get("content-length"), response.body) == ("5", b"")


def test_framing_and_connections_are_the_servers() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        hop = [(b"transfer-encoding", b"chunked"), (b"connection", b"keep-alive"), (b"keep-alive", b"timeout=9")]
        await send(start(200, *hop))
        await send(body(b"x"))

    response = ask(app)
    assert response.framing == "length"
    assert response.get("connection") is None
    assert response.get("keep-alive") is None


def test_an_application_may_wish_to_close() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(start(200, (b"connection", b"close")))
        await send(body(b"x"))

    with Server(http_only(app)) as server, Client(server) as client:
        assert client.ask(request()).closes
        assert client.is_closed()


def test_requests_behind_each_other_are_answered_in_order() -> None:
    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["path"] == "/0":
            await asyncio.sleep(0.1)
        await answer(send, scope["path"].encode())

    with Server(http_only(app)) as server, Client(server) as client:
        client.send(b"".join(request("GET", f"/{number}") for number in range(20)))
        assert [client.read().body for _ in range(20)] == [b"/%d" % number for number in range(20)]


@pytest.mark.parametrize("data", [bytearray(b"abc"), memoryview(b"abc")])
def test_anything_like_bytes_is_a_body(data: Any) -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(start())
        await send({"type": "http.response.body", "body": data})

    assert ask(app).body == b"abc"


def test_a_missing_body_is_empty() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    assert ask(app).body == b""


# --- slips of the application -----------------------------------------------------------------------------------------


async def body_first(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send(body(b"x"))


async def twice_started(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send(start())
    await send(start())


async def unknown(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.nonsense"})


async def bad_status(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send(start(99))


async def text_header(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send(start(200, ("content-type", b"text/plain")))  # type: ignore[arg-type]


async def injected(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send(start(200, (b"x", b"a\r\nset-cookie: b")))


async def bad_name(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send(start(200, (b"x y", b"a")))


async def two_lengths(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send(start(200, (b"content-length", b"1"), (b"content-length", b"2")))


async def no_dict(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send("http.response.start")  # type: ignore[arg-type]


async def text_body(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send(start())
    await send(body("text"))  # type: ignore[arg-type]


SLIPS = {
    body_first: "RuntimeError: unexpected ASGI message 'http.response.body', expected 'http.response.start'",
    twice_started: "RuntimeError: unexpected ASGI message 'http.response.start', expected 'http.response.body'",
    unknown: "RuntimeError: unexpected ASGI message 'http.response.nonsense', expected 'http.response.start'",
    bad_status: "ValueError: status must be an int from 200 to 999, not 99",
    text_header: "TypeError: a header name must be bytes, not str",
    injected: r"ValueError: header value has control characters: b'a\r\nset-cookie: b'",
    bad_name: "ValueError: header name is not a token: b'x y'",
    two_lengths: "ValueError: content-length says two lengths: b'2'",
    no_dict: "TypeError: a message must be a dict, not str",
    text_body: "TypeError: body must be bytes, not str",
}


@pytest.mark.parametrize("app", SLIPS, ids=lambda app: app.__name__)
def test_a_slip_is_raised_where_it_is_made_and_answered_with_500(app: Any) -> None:
    error, response = error_of(app)
    assert error == SLIPS[app]
    assert response.status == 500


def test_a_body_longer_than_announced_is_cut_off_and_raised() -> None:
    raised: list[str] = []

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(start(200, (b"content-length", b"3")))
        try:
            await send(body(b"hello"))
        except RuntimeError as error:
            raised.append(str(error))

    with Server(http_only(app)) as server, Client(server) as client:
        assert client.ask(request()).body == b"hel"
        assert client.is_closed()
    assert raised == ["the response is longer than its content-length"]


def test_a_body_shorter_than_announced_is_raised_and_shows() -> None:
    raised: list[str] = []

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(start(200, (b"content-length", b"9")))
        try:
            await send(body(b"hello"))
        except RuntimeError as error:
            raised.append(str(error))

    with Server(http_only(app)) as server, Client(server) as client:
        client.send(request())
        assert client.read_all_of_broken().endswith(b"hello")
    assert raised == ["the response is shorter than its content-length"]


def test_messages_behind_the_end_are_raised() -> None:
    raised: list[str] = []

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await answer(send, b"whole")
        try:
            await send(body(b"more"))
        except RuntimeError as error:
            raised.append(str(error))

    assert ask(app).body == b"whole"
    assert raised == ["unexpected ASGI message 'http.response.body', expected nothing: the response is complete"]


def test_returning_without_a_response_is_500() -> None:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None: ...

    assert ask(app).status == 500


def test_raising_is_500_and_the_next_request_is_served() -> None:
    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["path"] == "/bad":
            raise KeyError("secret")
        await answer(send, b"good")

    with Server(http_only(app)) as server, Client(server) as client:
        bad = client.ask(request("GET", "/bad"))
        assert bad.status == 500
        assert b"secret" not in bad.body
        assert client.ask(request()).body == b"good"


def test_raising_in_the_middle_cuts_the_reply() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(start())
        await send(body(b"part", more=True))
        raise KeyError

    with Server(http_only(app)) as server, Client(server) as client:
        client.send(request())
        assert not client.read_all_of_broken().endswith(b"0\r\n\r\n")


# --- clients that leave -----------------------------------------------------------------------------------------------


def wait_for(condition: Any, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.01)


def test_a_client_that_leaves_is_told_of_while_waiting() -> None:
    messages: list[Message] = []

    async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
        await receive()
        messages.append(await receive())

    with Server(http_only(app)) as server:
        client = Client(server)
        client.send(request())
        time.sleep(0.1)
        assert messages == []
        client.close()
        wait_for(lambda: messages)
    assert messages == [{"type": "http.disconnect"}]


def test_a_client_that_ends_its_side_is_still_answered() -> None:
    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        assert (await receive())["type"] == "http.disconnect"
        await answer(send, b"all the same")

    with Server(http_only(app)) as server, Client(server) as client:
        client.send(request())
        client.shut()
        assert client.read().body == b"all the same"


def test_leaving_does_not_cancel_the_handler() -> None:
    done = threading.Event()

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        await asyncio.sleep(0.3)
        done.set()

    with Server(http_only(app)) as server:
        client = Client(server)
        client.send(request())
        time.sleep(0.05)
        client.reset()
        assert done.wait(5)


def test_sending_to_a_client_that_has_gone_raises_an_oserror() -> None:
    raised: list[BaseException] = []

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await receive()
        await asyncio.sleep(0.05)
        try:
            await answer(send, b"late")
        except OSError as error:
            raised.append(error)

    with Server(http_only(app)) as server:
        client = Client(server)
        client.send(request())
        time.sleep(0.05)
        client.reset()
        wait_for(lambda: raised)
    assert type(raised[0]) is ClientDisconnectedError


def test_the_end_of_the_response_is_told_as_a_disconnect() -> None:
    messages: list[Message] = []

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await answer(send, b"x")
        messages.append(await receive())

    assert ask(app).body == b"x"
    assert messages == [{"type": "http.disconnect"}]


def test_two_may_wait_for_a_message_and_one_may_be_cancelled() -> None:
    told: list[str] = []

    async def wait(receive: Receive) -> None:
        told.append((await receive())["type"])

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        tasks = [asyncio.ensure_future(wait(receive)) for _ in range(3)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        await answer(send, b"x")
        await asyncio.gather(*tasks, return_exceptions=True)

    assert ask(app).body == b"x"
    assert told == ["http.disconnect", "http.disconnect"]


# --- back-pressure ----------------------------------------------------------------------------------------------------


def test_an_application_that_only_sends_is_told_at_once_that_its_client_has_left() -> None:
    """Nothing of it waits, so that the loop would never get to say so."""
    raised: list[str] = []
    over = threading.Event()

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        try:
            await send(start())
            for _ in range(100_000):
                await send(body(b"x" * 50_000, more=True))
        except OSError as error:
            raised.append(type(error).__name__)
            raise
        finally:
            over.set()

    with Server(http_only(app)) as server:
        client = Client(server)
        client.send(request())
        client.reset()
        assert over.wait(20)
    assert raised == ["ClientDisconnectedError"]


def test_a_slow_reader_holds_the_sender_up() -> None:
    sent = 0

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        nonlocal sent
        await send(start())
        for _ in range(400):
            await send(body(b"x" * 65536, more=True))
            sent += 1
        await send(body())

    with Server(http_only(app)) as server, Client(server, receive_buffer=4096) as client:
        client.send(request())
        time.sleep(0.5)
        held = sent
        assert held < 300
        assert len(client.read().body) == 400 * 65536
    assert sent == 400


def test_a_body_that_is_not_received_holds_its_sender_up() -> None:
    go = threading.Event()
    sizes: list[int] = []

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        while not go.is_set():
            await asyncio.sleep(0.01)
        message: Message = {"more_body": True}
        while message["more_body"]:  # without putting it together: that takes the square of its size
            message = await receive()
            sizes.append(len(message["body"]))
        await answer(send, b"done")

    with Server(http_only(app)) as server, Client(server, timeout=20) as client:
        client.sock.settimeout(1)
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30000000\r\n\r\n")
        sent = 0
        try:
            while sent < 30_000_000:
                sent += client.sock.send(b"x" * 65536)
        except (TimeoutError, BlockingIOError):
            pass
        assert sent < 30_000_000
        go.set()
        client.sock.settimeout(20)
        client.sock.sendall(b"x" * (30_000_000 - sent))
        assert client.read().body == b"done"
    assert sizes[0] <= 2 * 65536 + 65536
