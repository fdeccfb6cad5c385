"""Plans behind the server: answers, bodies, streams, clients that go, and what is handed on."""

import asyncio
import contextvars
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from conftest import Serve
from support import client as strict
from support.cores import BODY, BYTES, INT, PATH, QUERY, REQUEST, Made, Response, leaf

from velocem._core import RequestBase
from velocem.types import Receive, Scope, Send

if TYPE_CHECKING:
    from velocem import Server


class Client(strict.Client):
    """One connection; answers as status, headers and body."""

    def get(self, target: str, *fields: str) -> tuple[int, dict[str, str], bytes]:
        return told(self.ask(strict.request("GET", target, *fields)))

    def post(self, target: str, body: bytes, *fields: str) -> tuple[int, dict[str, str], bytes]:
        return told(self.ask(strict.request("POST", target, *fields, body=body)))

    def head_of(self, target: str) -> tuple[int, dict[str, str]]:
        """Status line and fields; the body is left."""
        self.send(strict.request("GET", target))
        return self.next_head()

    def next_head(self) -> tuple[int, dict[str, str]]:
        return self.read_status()[0], {name.lower(): value for name, value in self.read_fields()}


def told(response: strict.Response) -> tuple[int, dict[str, str], bytes]:
    return response.status, {name.lower(): value for name, value in response.fields}, response.body


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def made() -> Made:
    return Made()


@pytest.fixture
def start(made: Made, serve: Serve) -> Iterator[Callable[[], Client]]:
    """Serve what has been added, at the first call, and connect to it."""
    with ExitStack() as stack:
        servers: list[Server] = []

        def connect() -> Client:
            if not servers:
                servers.append(serve(made))  # type: ignore[arg-type]
            return stack.enter_context(Client(servers[0]))

        yield connect


def test_sync_and_async_handlers_answer_on_one_connection(made: Made, start: Callable[[], Client]) -> None:
    async def waits(n: int) -> dict[str, int]:
        await asyncio.sleep(0.001)
        return {"n": n}

    async def at_once(n: int) -> dict[str, int]:
        return {"n": -n}

    made.add("GET", "/hello", lambda: "Hello, World!")
    made.add("GET", "/waits/{n}", waits, leaf(PATH, "n", INT), is_async=True)
    made.add("GET", "/once/{n}", at_once, leaf(PATH, "n", INT), is_async=True)
    client = start()
    for n in range(20):
        assert client.get("/hello")[2] == b"Hello, World!"
        assert client.get(f"/waits/{n}")[2] == b'{"n":%d}' % n
        assert client.get(f"/once/{n}")[2] == b'{"n":%d}' % -n
    assert client.get("/none")[0] == 404
    assert client.get("/waits/x")[0] == 422
    assert client.get("/hello")[1]["content-type"] == "text/plain; charset=utf-8"


def test_pipelined_requests_are_answered_in_order(made: Made, start: Callable[[], Client]) -> None:
    async def handler(n: int) -> int:
        await asyncio.sleep(0.002 * (n % 2))
        return n

    made.add("GET", "/{n}", handler, leaf(PATH, "n", INT), is_async=True)
    client = start()
    client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % n for n in range(50)))
    assert [int(told(client.read())[2]) for _ in range(50)] == list(range(50))


def test_bodies_are_received_whole_however_they_come(made: Made, start: Callable[[], Client]) -> None:
    made.add("POST", "/n", len, leaf(BYTES, ""))
    made.add("POST", "/json", lambda value: value, leaf(BODY, "value", json.loads), body_types=(b"application/json",))
    client = start()
    for size in (0, 1, 1000, 100_000, 3_000_000):
        assert client.post("/n", b"x" * size)[2] == str(size).encode()
    client.send(b"POST /n HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(10):
        client.send(b"5\r\nabcde\r\n")
        time.sleep(0.002)
    client.send(b"0\r\n\r\n")
    assert told(client.read())[2] == b"50"
    assert client.post("/json", b'{"a":1}', "Content-Type: application/json")[2] == b'{"a":1}'
    assert client.post("/json", b"{", "Content-Type: application/json")[0] == 400
    assert client.post("/json", b"{}", "Content-Type: text/plain")[0] == 415
    assert client.post("/json", b"[1]")[0] == 415


def test_a_body_above_the_limit_is_refused_and_the_next_request_is_not(made: Made, start: Callable[[], Client]) -> None:
    made.add("POST", "/n", len, leaf(BYTES, ""), body_limit=100)
    client = start()
    assert client.post("/n", b"x" * 100)[2] == b"100"
    assert client.post("/n", b"x" * 101)[0] == 413
    assert start().post("/n", b"x" * 100)[2] == b"100"
    head = b"POST /n HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n"
    assert start().ask(head + b"x" * 100 + b"\r\n1\r\nx\r\n").status == 413


def test_a_client_that_expects_100_gets_it_only_when_the_body_is_wanted(
    made: Made, start: Callable[[], Client]
) -> None:
    made.add("POST", "/n", len, leaf(BYTES, ""), body_limit=100, body_types=(b"text/plain",))
    head = b"POST /n HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\nContent-Type: text/"
    client = start()
    client.send(head + b"plain\r\n\r\n")
    assert client.next_head()[0] == 100
    assert client.ask(b"hello").body == b"5"
    assert client.ask(head + b"x\r\n\r\n").status == 415


def test_each_request_has_a_context_of_its_own(made: Made, start: Callable[[], Client]) -> None:
    var: contextvars.ContextVar[int] = contextvars.ContextVar("var", default=0)

    def soon() -> list[int]:
        before = var.get()
        var.set(before + 1)
        return [before, var.get()]

    async def late() -> list[int]:
        before = var.get()
        var.set(before + 1)
        await asyncio.sleep(0.001)
        return [before, var.get()]

    made.add("GET", "/soon", soon)
    made.add("GET", "/late", late, is_async=True)
    client = start()
    for _ in range(5):
        assert client.get("/soon")[2] == b"[0,1]"
        assert client.get("/late")[2] == b"[0,1]"


def test_a_handler_runs_in_a_task_with_timeouts(made: Made, start: Callable[[], Client]) -> None:
    async def handler() -> str:
        assert asyncio.current_task() is not None
        try:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(10)
        except TimeoutError:
            return "timed out"
        return "no"

    made.add("GET", "/", handler, is_async=True)
    assert start().get("/")[2] == b"timed out"


def test_exceptions_are_answered_and_the_worker_goes_on(made: Made, start: Callable[[], Client]) -> None:
    async def late() -> None:
        await asyncio.sleep(0)
        raise KeyError

    made.add("GET", "/soon", lambda: 1 // 0)
    made.add("GET", "/late", late, is_async=True)
    made.add("GET", "/bad", lambda: ("x", 200, {"a": "b\nc"}))
    client = start()
    for _ in range(3):
        assert client.get("/soon")[::2] == (500, b"ZeroDivisionError at /soon")
        assert client.get("/late")[::2] == (500, b"KeyError at /late")
        assert client.get("/bad")[::2] == (500, b"ValueError at /bad")


def test_a_stream_goes_out_as_it_is_made(made: Made, start: Callable[[], Client]) -> None:
    gate = asyncio.Event()

    async def numbers() -> AsyncIterator[bytes]:
        yield b"1"
        await gate.wait()
        yield b""
        yield b"2"

    async def opens() -> None:
        gate.set()

    made.add("GET", "/numbers", numbers)
    made.add("GET", "/open", opens, is_async=True)
    client = start()
    status, headers = client.head_of("/numbers")
    assert (status, headers["transfer-encoding"]) == (200, "chunked")
    assert client.take(6) == b"1\r\n1\r\n"
    assert start().get("/open")[0] == 204
    assert client.take(11) == b"1\r\n2\r\n0\r\n\r\n"
    assert client.get("/open")[0] == 204


def test_a_stream_waits_for_a_slow_reader(made: Made, start: Callable[[], Client]) -> None:
    sent: list[int] = []

    async def endless() -> AsyncIterator[bytes]:
        for n in range(1000):
            sent.append(n)
            yield b"x" * 65536

    made.add("GET", "/", endless)
    client = start()
    client.send(strict.request())
    until(lambda: len(sent) > 5)
    count = -1
    while count != len(sent):
        count = len(sent)
        time.sleep(0.2)
    assert count < 500
    assert len(told(client.read())[2]) == 1000 * 65536


def test_a_stream_that_fails_is_cut(made: Made, start: Callable[[], Client]) -> None:
    async def fails() -> AsyncIterator[bytes]:
        yield b"1"
        raise KeyError

    made.add("GET", "/", fails)
    client = start()
    client.head_of("/")
    rest = client.read_all_of_broken()
    assert b"1\r\n1\r\n" in rest
    assert b"0\r\n\r\n" not in rest


def test_a_stream_whose_client_goes_is_closed(made: Made, start: Callable[[], Client]) -> None:
    heard: list[str] = []

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 1000
                await asyncio.sleep(0.001)
        finally:
            heard.append("closed")

    async def drive(send: Any, body: Any) -> None:
        try:
            async for data in body:
                await send(data)
        finally:
            await body.aclose()

    made.options["drive"] = drive
    made.add("GET", "/", endless)
    made.add("GET", "/told", lambda: heard)
    client = start()
    client.head_of("/")
    client.close()
    until(lambda: heard)
    assert start().get("/told")[2] == b'["closed"]'


def test_a_handler_whose_client_goes_runs_to_its_end(made: Made, start: Callable[[], Client]) -> None:
    heard: list[str] = []
    gate = asyncio.Event()

    async def handler() -> str:
        heard.append("began")
        await gate.wait()
        heard.append("ended")
        return "nobody hears"

    async def opens() -> None:
        gate.set()

    made.add("GET", "/", handler, is_async=True)
    made.add("GET", "/open", opens, is_async=True)
    client = start()
    client.send(strict.request())
    until(lambda: heard)
    client.close()
    assert start().get("/open")[0] == 204
    until(lambda: len(heard) == 2)


def test_a_client_that_goes_within_its_body_is_no_request(made: Made, start: Callable[[], Client]) -> None:
    seen: list[bytes] = []
    made.add("POST", "/", seen.append, leaf(BYTES, ""))
    made.add("GET", "/seen", lambda: len(seen))
    client = start()
    client.send(strict.request("POST", "/", body=b"1234567890")[:-5])
    client.close()
    assert start().get("/seen")[2] == b"0"


def test_mounts_are_the_asgi_faces(made: Made, start: Callable[[], Client]) -> None:
    async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        body = (await receive())["body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["path"].encode() + body})

    made.router.mount("/m", mounted)
    made.add("GET", "/", lambda: "mine")
    client = start()
    for _ in range(3):
        assert client.get("/m/x")[2] == b"/m/x"
        assert client.post("/m/y", b"data")[2] == b"/m/ydata"
        assert client.get("/")[2] == b"mine"


def test_the_request_knows_its_client_and_server(made: Made, start: Callable[[], Client]) -> None:
    def handler(request: RequestBase, q: str) -> list[Any]:
        return [request.client, request.server, request.scheme, q]

    made.add("GET", "/", handler, leaf(REQUEST, ""), leaf(QUERY, "q"))
    client = start()
    host, port = client.sock.getsockname()
    server = list(client.sock.getpeername())
    assert json.loads(client.get("/?q=1")[2]) == [[host, port], server, "http", "1"]


def test_head_has_the_length_of_get(made: Made, start: Callable[[], Client]) -> None:
    made.add("GET", "/", lambda: "x" * 1000)
    made.add("GET", "/304", lambda: (None, 304, {"etag": '"a"'}))
    client = start()
    assert client.ask(strict.request("HEAD"), head=True).get("Content-Length") == "1000"
    status, headers = client.get("/304")[:2]
    assert (status, headers.get("content-length"), headers["etag"]) == (304, None, '"a"')


def test_what_is_done_after_a_response_is_done_once_in_its_context(made: Made, start: Callable[[], Client]) -> None:
    var: contextvars.ContextVar[int] = contextvars.ContextVar("var", default=0)
    heard: list[str] = []

    def soon(q: str) -> Response:
        token = var.set(1)

        def after() -> None:
            var.reset(token)
            heard.append(q)

        async def late() -> None:
            await asyncio.sleep(0.001)
            after()

        headers = [(b"a", b"b\n" if q == "refused" else b"b")]
        return Response(200, headers, b"x", late if q == "late" else after)

    async def waits(q: str) -> Response:
        await asyncio.sleep(0)
        return soon(q)

    async def stream() -> AsyncIterator[bytes]:
        yield b"1"
        yield b"2"

    made.add("GET", "/soon", soon, leaf(QUERY, "q"))
    made.add("GET", "/waits", waits, leaf(QUERY, "q"), is_async=True)
    made.add("GET", "/stream", lambda: Response(200, [], stream(), lambda: heard.append("stream")))
    made.add("GET", "/fails", lambda: Response(200, [], b"", lambda: 1 // 0))
    client = start()
    for path in ("/soon", "/waits"):
        for q, status in (("soon", 200), ("refused", 500), ("late", 200)):
            heard.clear()
            assert client.get(f"{path}?q={q}")[0] == status
            until(lambda: heard)
            assert heard == [q]
    assert client.get("/stream")[2] == b"12"
    until(lambda: heard == ["late", "stream"])
    assert client.get("/fails")[0] == 200
    assert "is done after" in made.logged[-1][1]


def test_what_is_done_after_is_done_when_the_client_has_gone(made: Made, start: Callable[[], Client]) -> None:
    heard: list[str] = []
    gate = asyncio.Event()

    async def stream() -> AsyncIterator[bytes]:
        yield b""

    async def handler(q: str) -> Response:
        heard.append("began")
        await gate.wait()
        return Response(200, [], stream() if q == "stream" else b"x", lambda: heard.append(q))

    async def opens() -> None:
        gate.set()

    made.add("GET", "/", handler, leaf(QUERY, "q"), is_async=True)
    made.add("GET", "/open", opens, is_async=True)
    for q in ("whole", "stream"):
        client = start()
        client.send(strict.request("GET", f"/?q={q}"))
        until(lambda: heard[-1:] == ["began"])
        heard.append("")
        client.close()
    assert start().get("/open")[0] == 204
    until(lambda: sorted(heard[4:]) == ["stream", "whole"])
