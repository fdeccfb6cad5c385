"""--stream-body: wsgi.input waits for what the client sends."""

import io
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.client import Client, request
from support.wsgi import Serve

from velocem import Server
from velocem.exceptions import ConfigError

HEAD = b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"


def answering(use: Callable[[dict[str, Any]], bytes]) -> Any:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        result = use(environ)
        start_response("200 OK", [])
        return [result]

    return app


def test_what_has_come_is_read_before_the_rest_is_sent(serve: Serve) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        for line in environ["wsgi.input"]:
            yield line.upper()

    with Client(serve(app, stream_body=True)) as client:
        client.send(HEAD % 9)
        for word in (b"ab\n", b"cd\n", b"ef\n"):
            client.send(word)
            if word == b"ab\n":
                client.read_status()
                client.read_fields()
            assert client.chunk_size() == 3
            assert client.take(5) == word.upper() + b"\r\n"
        assert client.chunk_size() == 0


def test_the_body_is_there_to_its_end(serve: Serve) -> None:
    body = bytes(range(256)) * 4000
    with Client(serve(answering(lambda environ: environ["wsgi.input"].read()), stream_body=True)) as client:
        for _ in range(3):
            client.send(HEAD % len(body))
            client.send_split(body, range(0, len(body), 100_000))
            assert client.read().body == body


def test_a_chunked_body_has_no_length_and_is_decoded(serve: Serve) -> None:
    seen: list[Any] = []

    def use(environ: dict[str, Any]) -> bytes:
        begun.set()
        seen.append((environ.get("CONTENT_LENGTH"), environ.get("HTTP_TRANSFER_ENCODING")))
        return bytes(environ["wsgi.input"].read())

    begun = threading.Event()
    with Client(serve(answering(use), stream_body=True)) as client:
        client.send(CHUNKED)
        assert begun.wait(10)
        client.send_split(b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", [7, 15])
        assert client.read().body == b"hello world"
        # What came whole with its head is as it is without the option.
        client.send(CHUNKED + b"5\r\nhello\r\n0\r\n\r\n")
        assert client.read().body == b"hello"
    assert seen == [(None, "chunked"), ("5", None)]


def test_a_read_gets_what_it_asks_for(serve: Serve) -> None:
    def use(environ: dict[str, Any]) -> bytes:
        stream = environ["wsgi.input"]
        return repr([stream.read(3), stream.read(0), stream.read(4), stream.read(100), stream.read(1)]).encode()

    with Client(serve(answering(use), stream_body=True)) as client:
        client.send(HEAD % 10)
        client.send_split(b"0123456789", [1, 2, 5, 9])
        assert client.read().body == repr([b"012", b"", b"3456", b"789", b""]).encode()


bodies = st.lists(st.sampled_from([b"\n", b"a", b"bc", b"\r\n", b"x" * 70_000]), max_size=6).map(b"".join)
sizes = st.one_of(st.none(), st.integers(-1, 5), st.integers(60_000, 80_000))
calls = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["read", "readline"]), st.tuples(sizes)),
        st.tuples(st.just("readlines"), st.tuples(st.integers(0, 3))),
        st.tuples(st.just("__next__"), st.tuples()),
    ),
    max_size=6,
)


def outcome(stream: Any, name: str, arguments: tuple[Any, ...]) -> Any:
    try:
        return getattr(stream, name)(*arguments)
    except StopIteration:
        return "end"


@pytest.fixture(scope="module")
def playing() -> Iterator[tuple[list[Any], list[Any], Client]]:
    """A server whose application makes the calls of a list, and a client of it."""
    sequence: list[Any] = []
    results: list[Any] = []

    def use(environ: dict[str, Any]) -> bytes:
        results[:] = [outcome(environ["wsgi.input"], *call) for call in sequence]
        return b"played"

    app = answering(use)
    with Server(app, threads=1, stream_body=True, timeout_keep_alive=60) as server, Client(server) as client:
        yield sequence, results, client


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=bodies, steps=calls)
def test_any_calls_give_what_bytes_io_gives(
    playing: tuple[list[Any], list[Any], Client], body: bytes, steps: list[Any]
) -> None:
    sequence, results, client = playing
    sequence[:] = steps
    client.send(HEAD % len(body))
    client.send_split(body, [len(body) // 2])
    assert client.read().body == b"played"
    model = io.BytesIO(body)
    assert results == [outcome(model, *call) for call in steps]


def test_a_sender_is_held_up_while_nobody_reads(serve: Serve) -> None:
    go_on = threading.Event()

    def use(environ: dict[str, Any]) -> bytes:
        assert go_on.wait(10)
        stream, total = environ["wsgi.input"], 0
        while data := stream.read(100_000):
            total += len(data)
        return b"%d" % total

    size, sent = 60_000_000, 0

    def send_on() -> None:
        nonlocal sent
        while sent < size:
            sent += client.sock.send(block[: size - sent])

    block = bytes(100_000)
    with Client(serve(answering(use), stream_body=True)) as client:
        client.send(HEAD % size)
        client.sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            send_on()
        assert sent < 30_000_000  # what the kernel holds, not more
        client.sock.settimeout(10)
        go_on.set()
        send_on()
        assert client.read().body == b"%d" % size


def test_100_comes_when_the_body_is_asked_for(serve: Serve) -> None:
    asked = threading.Event()

    def use(environ: dict[str, Any]) -> bytes:
        if environ["PATH_INFO"] == "/no":
            return b"not read"
        asked.set()
        return bytes(environ["wsgi.input"].read())

    server = serve(answering(use), stream_body=True)
    head = b"POST %s HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
    with Client(server) as client:
        client.send(head % b"/yes")
        assert client.read().status == 100
        assert asked.is_set()
        client.send(b"body")
        assert client.read().body == b"body"
    with Client(server) as client:
        client.send(head % b"/no")
        response = client.read()
        assert (response.status, response.body, response.closes) == (200, b"not read", True)


class Reading:
    """An application that reads a body, and keeps what goes wrong."""

    def __init__(self) -> None:
        self.begun, self.over = threading.Event(), threading.Event()
        self.errors: list[BaseException] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        self.begun.set()
        try:
            environ["wsgi.input"].read()
        except OSError as error:
            self.errors.append(error)
            raise
        finally:
            self.over.set()
        start_response("200 OK", [])
        return [b"read"]


def test_a_client_that_goes_is_an_error_and_no_short_body(serve: Serve) -> None:
    app = Reading()
    with Client(serve(app, stream_body=True)) as client:
        client.send(HEAD % 10 + b"half")
        assert app.begun.wait(10)
    assert app.over.wait(10)
    assert isinstance(app.errors[0], ConnectionResetError)


@pytest.mark.parametrize("options", [{"timeout_body": 0.3}, {"timeout_body": 30, "min_body_rate": 1000}])
def test_a_client_that_is_too_slow_is_an_error(serve: Serve, options: Any) -> None:
    app = Reading()
    with Client(serve(app, stream_body=True, **options)) as client:
        client.send(HEAD % 10_000)
        until = time.monotonic() + 20
        while not app.over.is_set() and time.monotonic() < until and "min_body_rate" in options:
            client.send(b"x")
            time.sleep(0.1)
        assert app.over.wait(10)
        assert isinstance(app.errors[0], TimeoutError)
        assert client.read().status == 408


@pytest.mark.parametrize("size", [10, 5_000_000])
def test_a_body_that_is_not_read_does_not_become_a_request(serve: Serve, size: int) -> None:
    with Client(serve(answering(lambda _: b"not read"), stream_body=True)) as client:
        client.send(HEAD % size)
        assert client.read().body == b"not read"
        client.send(b"x" * size)
        assert client.ask(request()).body == b"not read"


def test_reading_after_the_end_is_an_error(serve: Serve) -> None:
    kept: list[Any] = []

    def use(environ: dict[str, Any]) -> bytes:
        kept.append(environ["wsgi.input"])
        return b"kept"

    with Client(serve(answering(use), stream_body=True)) as client:
        client.send(HEAD % 10)
        client.read()
        client.send(b"0123456789")
        client.ask(request())
        with pytest.raises(ValueError, match="after the request has ended"):
            kept[0].read()


def test_a_thread_of_the_application_may_read(serve: Serve) -> None:
    def use(environ: dict[str, Any]) -> bytes:
        results: list[bytes] = []
        thread = threading.Thread(target=lambda: results.append(environ["wsgi.input"].read()))
        thread.start()
        thread.join()
        return results[0]

    with Client(serve(answering(use), stream_body=True)) as client:
        client.send(HEAD % 10)
        client.send_split(b"0123456789", [3, 6], pause=0.05)
        assert client.read().body == b"0123456789"


def test_two_threads_may_not_read_at_once(serve: Serve) -> None:
    def use(environ: dict[str, Any]) -> bytes:
        results: list[Any] = []

        def read() -> None:
            try:
                results.append(environ["wsgi.input"].read(4))
            except RuntimeError as error:
                results.append(str(error))
                refused.set()

        threads = [threading.Thread(target=read) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return repr(results).encode()

    refused = threading.Event()
    with Client(serve(answering(use), stream_body=True)) as client:
        client.send(HEAD % 4)
        assert refused.wait(10)
        client.send(b"body")
        assert client.read().body == b"['wsgi.input is read by another thread', b'body']"


def test_senders_that_stall_hold_no_thread_without_it(serve: Serve) -> None:
    """And with it they do, until they are too slow."""
    inside = threading.Semaphore(0)

    def use(environ: dict[str, Any]) -> bytes:
        inside.release()
        return bytes(environ["wsgi.input"].read())

    for streams in (False, True):
        server = serve(answering(use), threads=4, stream_body=streams)
        stalled = [Client(server) for _ in range(8)]
        for client in stalled:
            client.send(HEAD % 10 + b"half")
        if streams:
            assert all(inside.acquire(timeout=10) for _ in range(4))
        with Client(server) as client:
            client.send(request())
            if streams:
                assert client.is_silent(0.5)
            else:
                assert client.read().body == b""
                assert inside.acquire(timeout=10)
        for client in stalled:
            client.close()


def test_it_needs_threads() -> None:
    with pytest.raises(ConfigError, match="stream_body needs threads"):
        Server(answering(lambda _: b""), stream_body=True)
