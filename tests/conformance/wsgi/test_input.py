"""wsgi.input over bodies in memory, in a file, and empty ones: it is held to what io.BytesIO does."""

import io
import os
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.client import Client, request
from support.wsgi import Recorder, Serve, ask, environ_of

from velocem import Server

MEMORY: dict[str, Any] = {"body_memory": 1 << 20}
FILE: dict[str, Any] = {"body_memory": 0}
places = pytest.mark.parametrize("place", [MEMORY, FILE], ids=["memory", "file"])


def chunked(*chunks: bytes) -> bytes:
    coded = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + coded + b"0\r\n\r\n"


def split(body: bytes) -> bytes:
    """Two runs: the second takes a body past body_memory=0 into a file."""
    return chunked(body[:1], body[1:]) if len(body) > 1 else request("POST", body=body)


def input_of(body: bytes, place: dict[str, Any]) -> Any:
    return environ_of(split(body), **place)["wsgi.input"]


LINES = b"first\nsecond line\r\n\n\nno end"


@places
@pytest.mark.parametrize(
    "use",
    [
        lambda stream: stream.read(),
        lambda stream: stream.read(-1),
        lambda stream: stream.read(-7),
        lambda stream: stream.read(None),
        lambda stream: [
            stream.read(0),
            stream.read(3),
            stream.read(0),
            stream.read(1000),
            stream.read(1),
            stream.read(),
        ],
        lambda stream: [stream.readline() for _ in range(7)],
        lambda stream: [stream.readline(3) for _ in range(12)],
        lambda stream: [stream.readline(size) for size in (-1, None, 0, 1000, 1)],
        lambda stream: stream.readlines(),
        lambda stream: stream.readlines(None),
        lambda stream: [stream.readlines(hint) for hint in (1, 8, 0)],
        lambda stream: stream.readlines(-1),
        list,
        lambda stream: [
            next(stream),
            stream.read(2),
            next(stream),
            stream.readline(),
            list(stream),
            list(stream),
            stream.read(),
        ],
        lambda stream: [stream.readline(), stream.read(4), stream.readlines(), stream.read(), stream.readline()],
        lambda stream: stream.read(True),
    ],
)
def test_it_reads_as_bytes_io_does(place: dict[str, Any], use: Callable[[Any], Any]) -> None:
    assert use(input_of(LINES, place)) == use(io.BytesIO(LINES))


@pytest.mark.parametrize(
    "use",
    [
        lambda stream: [stream.read(), stream.read(5), stream.read(-1)],
        lambda stream: [stream.readline(), stream.readline(5), stream.readlines(), list(stream)],
    ],
)
@pytest.mark.parametrize(
    "data", [request(), request("POST", "/", "Content-Length: 0"), chunked()], ids=["none", "length 0", "chunked"]
)
def test_an_empty_body(data: bytes, use: Callable[[Any], Any]) -> None:
    assert use(environ_of(data)["wsgi.input"]) == use(io.BytesIO())


@places
def test_it_is_its_own_iterator(place: dict[str, Any]) -> None:
    stream = input_of(b"a\nb", place)
    assert iter(stream) is stream
    assert next(stream) == b"a\n"
    assert next(stream) == b"b"
    for _ in range(2):
        with pytest.raises(StopIteration):
            next(stream)


@places
@pytest.mark.parametrize("method", ["read", "readline", "readlines"])
def test_wrong_arguments_are_refused_and_read_nothing(place: dict[str, Any], method: str) -> None:
    stream = input_of(b"body", place)
    for wrong in ("1", 1.0, b"", [], object()):
        with pytest.raises(TypeError):
            getattr(stream, method)(wrong)
    with pytest.raises(TypeError):
        getattr(stream, method)(1, 2)
    with pytest.raises(OverflowError):
        getattr(stream, method)(1 << 70)
    assert stream.read() == b"body"


@places
def test_an_index_that_reads_meanwhile(place: dict[str, Any]) -> None:
    stream = input_of(b"0123456789", place)

    class Size:
        def __index__(self) -> int:
            assert stream.read(8) == b"01234567"
            return 5

    assert stream.read(Size()) == b"89"


@places
@pytest.mark.parametrize("size", [8191, 8192, 8193, 16384, 70000, 200000])
def test_lines_longer_than_any_piece(place: dict[str, Any], size: int) -> None:
    body = b"x" * size + b"\n" + b"y" * size
    stream, model = input_of(body, place), io.BytesIO(body)
    assert stream.readline(size) == model.readline(size)
    assert stream.readline() == model.readline()
    assert stream.readline() == model.readline()


@places
def test_it_can_be_read_after_the_response(place: dict[str, Any], serve: Serve) -> None:
    recorder = Recorder()
    body = os.urandom(100_000)
    with Client(serve(recorder, **place)) as client:
        client.ask(split(body))
        client.ask(split(b"another body" * 1000))
    assert recorder.environs[0]["wsgi.input"].read() == body


def test_the_file_goes_with_the_input(serve: Serve) -> None:
    def files() -> int:
        return len(os.listdir("/proc/self/fd"))

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [str(files()).encode()]

    with Client(serve(app, **FILE)) as client:
        idle = int(client.ask(request()).body)
        for _ in range(5):
            assert int(client.ask(split(b"body")).body) == idle + 1
        assert int(client.ask(request()).body) == idle


@pytest.mark.parametrize("size", [1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_bodies_around_the_default_threshold(size: int) -> None:
    body = os.urandom(size)

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [environ["wsgi.input"].read()]

    assert ask(app, request("POST", body=body)).body == body


@pytest.mark.parametrize("size", [65_000, 100_000, 300_001, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_a_large_body_comes_in_pieces_and_another_request_right_behind(size: int) -> None:
    body = random.Random(size).randbytes(size)
    pieces = [65_536, 3, 20_000, size]

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [environ["wsgi.input"].read()]

    with Server(app) as server, Client(server) as client:
        data = request("POST", body=body) + request("POST", body=b"behind")
        for piece in pieces:
            client.send(data[:piece])
            data = data[piece:]
            time.sleep(0.01)
        client.send(data)
        assert client.read().body == body
        assert client.read().body == b"behind"


def test_a_body_that_is_not_read_does_not_become_a_request(serve: Serve) -> None:
    recorder = Recorder()
    with Client(serve(recorder)) as client:
        client.send(request("POST", "/one", body=request("GET", "/smuggled")) + request("GET", "/two"))
        assert [client.read().body for _ in range(2)] == [b"/one", b"/two"]


def test_the_wrapper_of_text_streams_takes_it() -> None:
    """Frameworks read forms through such wrappers: read(size) is all they need."""

    class Raw(io.RawIOBase):
        def __init__(self, stream: Any) -> None:
            self.stream = stream

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            data = self.stream.read(len(buffer))
            buffer[: len(data)] = data
            return len(data)

    text = "z\xfcrich\n\u20ac"
    assert io.TextIOWrapper(io.BufferedReader(Raw(input_of(text.encode(), MEMORY))), "utf-8").read() == text


# Any sequence of calls.

sizes = st.one_of(st.none(), st.integers(-2, 40), st.sampled_from([8191, 8192, 8193, 20000]))
calls = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["read", "readline", "readlines"]), st.tuples()),
        st.tuples(st.sampled_from(["read", "readline", "readlines"]), st.tuples(sizes)),
        st.tuples(st.just("__next__"), st.tuples()),
    ),
    max_size=30,
)
bodies = st.one_of(
    st.binary(max_size=200),
    st.lists(st.sampled_from([b"\n", b"\r\n", b"a", b"bc\n", b"x" * 8190, b"\x00"]), max_size=12).map(b"".join),
)


def outcome(stream: Any, name: str, arguments: tuple[Any, ...]) -> Any:
    try:
        return getattr(stream, name)(*arguments)
    except StopIteration:
        return StopIteration


@pytest.fixture(scope="module", params=[MEMORY, FILE], ids=["memory", "file"])
def echo(request: pytest.FixtureRequest) -> Any:
    recorder = Recorder()
    with Server(recorder, timeout_keep_alive=60, **request.param) as server, Client(server) as client:
        yield recorder, client


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=bodies, sequence=calls)
def test_any_calls_give_what_bytes_io_gives(
    echo: Any, body: bytes, sequence: list[tuple[str, tuple[Any, ...]]]
) -> None:
    recorder, client = echo
    recorder.environs.clear()
    client.ask(split(body))
    stream, model = recorder.environs[0]["wsgi.input"], io.BytesIO(body)
    for name, arguments in sequence:
        assert outcome(stream, name, arguments) == outcome(model, name, arguments)
    assert stream.read() == model.read()
