"""Streams of an App: server-sent events, JSON Lines, and the ends of both."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import msgspec
import pytest
from support.client import Client

from velocem import App, Event, EventStream, Header, Server, streams
from velocem.events import event_of


class Tick(msgspec.Struct):
    n: int


GET = b"GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n"


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def build(said: list[str]) -> App:  # noqa: PLR0915
    app = App()

    @app.get("/three")
    async def three(last_event_id: Header[str | None] = None) -> EventStream[Tick | str]:
        yield Event(retry=100)
        yield Event(last_event_id, id="7", event="tick")
        yield Tick(1)
        yield "a\nb"

    @app.get("/waits")
    async def waits() -> EventStream[Tick]:
        try:
            yield Tick(0)
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            said.append("cancelled")
            raise
        finally:
            said.append("closed")

    @app.get("/timeout")
    async def timeout() -> EventStream[Tick]:
        yield Tick(0)
        try:
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        except TimeoutError:
            yield Tick(1)

    @app.get("/idle")
    async def idle() -> AsyncIterator[Tick]:
        try:
            yield Tick(0)
            await asyncio.Event().wait()
        finally:
            said.append("idle closed")

    @app.get("/fails")
    async def fails() -> EventStream[Tick]:
        yield Tick(0)
        raise ZeroDivisionError

    @app.get("/endless")
    async def endless() -> EventStream[str]:
        n = 0
        try:
            while True:
                yield "x" * 10000
                n += 1
        finally:
            said.append(f"{n}")

    @app.get("/lines")
    async def lines() -> AsyncIterator[Tick]:
        yield Tick(1)
        yield Tick(2)

    @app.get("/sync")
    def sync() -> Iterator[Tick]:
        yield Tick(1)
        yield Tick(2)

    @app.get("/topic/{name}")
    def topic(name: str) -> EventStream[Tick]:
        return app.events(name, "all")

    @app.post("/publish/{name}")
    def publish(name: str, n: int) -> int:
        app.publish(name, Tick(n))
        app.publish(name, b"not text")
        return len(next(iter(app.hubs.values())).topics)

    return app


@pytest.fixture(name="said")
def make_said() -> list[str]:
    return []


@pytest.fixture(name="server", params=["native", "asgi"])
def make_server(request: pytest.FixtureRequest, said: list[str]) -> Iterator[Server]:
    with Server(build(said), interface=request.param) as server:
        yield server


def opened(server: Server, path: bytes, fields: bytes = b"") -> Client:
    client = Client(server)
    client.send(GET % (path, fields))
    assert client.read_status()[0] == 200
    client.read_fields()
    return client


def chunk(client: Client) -> bytes:
    size = client.chunk_size()
    data = client.take(size)
    assert client.take(2) == b"\r\n"
    return data


def publish(server: Server, name: str, n: int) -> bytes:
    with Client(server) as client:
        answer = client.ask(
            b"POST /publish/%s?n=%d HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n" % (name.encode(), n)
        )
        assert answer.status == 200
        return answer.body


@pytest.mark.parametrize(
    ("item", "wire"),
    [
        ("a", b"data: a\n\n"),
        ("", b"data: \n\n"),
        ("a\r\nb\rc\n", b"data: a\ndata: b\ndata: c\ndata: \n\n"),
        ({"a": "x\ny"}, b'data: {"a":"x\\ny"}\n\n'),
        (None, b"data: null\n\n"),
        (Event(1, id="2", event="e", retry=3, comment="c"), b": c\nid: 2\nevent: e\nretry: 3\ndata: 1\n\n"),
        (Event(retry=0), b"retry: 0\n\n"),
    ],
)
def test_events_on_the_wire(item: Any, wire: bytes) -> None:
    assert event_of(item) == wire


@pytest.mark.parametrize("bad", [{"id": "a\nb"}, {"event": "a\rb"}, {"id": "\0"}, {"retry": -1}, {"comment": "a\nb"}])
def test_events_that_cannot_be(bad: Any) -> None:
    with pytest.raises(ValueError, match=r"is one line|is milliseconds"):
        Event("a", **bad)


def test_an_event_stream(server: Server) -> None:
    with Client(server) as client:
        got = client.ask(GET % (b"/three", b"Last-Event-ID: 6\r\n"))
    assert got.get("Content-Type") == "text/event-stream"
    assert got.get("Cache-Control") == "no-store"
    assert got.get("X-Accel-Buffering") == "no"
    assert got.body == b'retry: 100\n\nid: 7\nevent: tick\ndata: 6\n\ndata: {"n":1}\n\ndata: a\ndata: b\n\n'


def test_lines_of_json(server: Server) -> None:
    with Client(server) as client:
        for path in (b"/lines", b"/sync"):
            got = client.ask(GET % (path, b""))
            assert (got.get("Content-Type"), got.body) == ("application/jsonl", b'{"n":1}\n{"n":2}\n')


def test_comments_keep_a_silent_stream_alive(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "BEAT_SECONDS", 0.01)
    with opened(server, b"/waits") as client:
        assert chunk(client) == b'data: {"n":0}\n\n'
        assert chunk(client).startswith(b":\n\n")
        assert chunk(client).startswith(b":\n\n")


def test_a_client_that_goes_ends_a_generator_that_waits(
    server: Server, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(server, b"/waits") as client:
        chunk(client)
    wait_for(lambda: said == ["cancelled", "closed"])
    said.clear()
    monkeypatch.setattr(streams, "LEFT_SECONDS", 0.05)
    with opened(server, b"/idle") as client:
        chunk(client)
    wait_for(lambda: said == ["idle closed"])


def test_a_client_that_ends_its_side_gets_the_rest_of_a_stream() -> None:
    app = App()

    @app.get("/")
    async def numbers() -> AsyncIterator[Tick]:
        for n in range(20):
            yield Tick(n)
            await asyncio.sleep(0.01)

    with Server(app) as server, Client(server) as client:
        client.send(GET % (b"/", b""))
        client.shut()
        assert client.read().body.endswith(b'{"n":19}\n')


def test_a_stopping_server_ends_events_in_order(said: list[str], caplog: pytest.LogCaptureFixture) -> None:
    with Server(build(said)) as server:
        client = opened(server, b"/waits")
        chunk(client)
        other = opened(server, b"/topic/a")
    assert client.chunk_size() == 0  # the end of the body, not of the connection alone
    assert other.chunk_size() == 0
    client.close()
    other.close()
    assert said == ["cancelled", "closed"]
    assert "cancelling" not in caplog.text


def test_time_limits_work_within_a_generator(server: Server) -> None:
    with Client(server) as client:
        assert client.ask(GET % (b"/timeout", b"")).body == b'data: {"n":0}\n\ndata: {"n":1}\n\n'


def test_a_generator_that_fails_cuts_the_response_off(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    with opened(server, b"/fails") as client:
        client.read_all_of_broken()
    wait_for(lambda: "ZeroDivisionError" in caplog.text)


def test_a_client_that_does_not_read_holds_the_generator(said: list[str]) -> None:
    with Server(build(said)) as server:
        with Client(server, receive_buffer=4096) as client:
            client.send(GET % (b"/endless", b""))
            client.sock.recv(100)
            assert publish(server, "x", 1) == b"0"  # others are served meanwhile
        wait_for(lambda: bool(said))
    assert int(said[0]) < 2000  # of 10 kB: what kernel and server hold for one connection


def test_topics_as_events(server: Server) -> None:
    with opened(server, b"/topic/a") as one, opened(server, b"/topic/b") as two:
        wait_for(lambda: publish(server, "none", 0) == b"3")
        publish(server, "a", 1)
        publish(server, "b", 2)
        publish(server, "all", 3)
        assert chunk(one) + chunk(one) == b'data: {"n":1}\n\ndata: {"n":3}\n\n'
        assert chunk(two) + chunk(two) == b'data: {"n":2}\n\ndata: {"n":3}\n\n'
    wait_for(lambda: publish(server, "none", 0) == b"0")


def test_a_subscriber_of_events_that_does_not_read_is_cut_off(said: list[str]) -> None:
    app = build(said)
    with Server(app) as server, Client(server, receive_buffer=4096) as client:
        client.send(GET % (b"/topic/a", b""))
        client.sock.recv(100)
        loop, hub = next(iter(app.hubs.items()))

        def send(done: threading.Event) -> None:
            hub.publish("a", b"x" * 100_000, True)
            done.set()

        for _ in range(400):
            done = threading.Event()
            loop.call_soon_threadsafe(send, done)
            assert done.wait(10)
            if not hub.topics:
                break
        assert not hub.topics
        client.read_all_of_broken()
