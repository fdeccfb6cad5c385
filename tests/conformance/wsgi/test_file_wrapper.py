"""wsgi.file_wrapper: by sendfile(2) where there is a file, by read() where there is none."""

import bz2
import gzip
import io
import lzma
import os
import random
import socket
import tempfile
from pathlib import Path
from typing import Any

import pytest
from support.client import Client, request
from support.wsgi import Serve, ask

CONTENT = random.Random(1).randbytes(300_000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return path


class Closing:
    """Counts close() of a file-like object, and hides what is named."""

    def __init__(self, file: Any, *hidden: str) -> None:
        self.file = file
        self.hidden = hidden
        self.closed_count = 0
        self.reads = 0

    def __getattr__(self, name: str) -> Any:
        if name in self.hidden or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.file, name)

    def read(self, size: int) -> Any:
        self.reads += 1
        return self.file.read(size)

    def close(self) -> None:
        self.closed_count += 1
        self.file.close()


def wrapping(file: Any, *headers: tuple[str, str], block_size: int | None = None, status: str = "200 OK") -> Any:
    """An application that wraps file, or what file() gives."""

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response(status, list(headers))
        opened = file() if callable(file) else file
        sizes = [] if block_size is None else [block_size]
        return environ["wsgi.file_wrapper"](opened, *sizes)

    return app


# By sendfile.


def test_a_file_is_sent_by_the_kernel_and_closed_once(path: Path, serve: Serve) -> None:
    files: list[Closing] = []

    def open_() -> Closing:
        files.append(Closing(path.open("rb")))
        return files[-1]

    with Client(serve(wrapping(open_))) as client:
        for _ in range(3):
            response = client.ask(request())
            assert (response.framing, response.body) == ("length", CONTENT)
    assert [(file.reads, file.closed_count) for file in files] == [(0, 1)] * 3


@pytest.mark.parametrize("buffering", [0, -1])
@pytest.mark.parametrize("offset", [0, 1, 8191, 8192, 299_999, 300_000, 300_001, 1 << 40])
def test_it_begins_where_the_file_stands(path: Path, offset: int, buffering: int) -> None:
    def open_() -> Any:
        file = path.open("rb", buffering)
        file.seek(offset)
        return file

    response = ask(wrapping(open_))
    assert (response.framing, response.body) == ("length", CONTENT[offset:])


def test_it_begins_where_reading_stopped(path: Path) -> None:
    """The descriptor of a buffered file is ahead of what was read from it."""

    def open_() -> Any:
        file = path.open("rb")
        file.read(5)
        file.readline()
        return file

    with path.open("rb") as file:
        file.read(5)
        skipped = 5 + len(file.readline())
    assert ask(wrapping(open_)).body == CONTENT[skipped:]


@pytest.mark.parametrize("length", [0, 1, 4096, 299_999, 300_000])
def test_a_length_below_the_files_is_kept_to(path: Path, length: int, serve: Serve) -> None:
    with Client(serve(wrapping(lambda: path.open("rb"), ("Content-Length", str(length))))) as client:
        for _ in range(2):
            response = client.ask(request())
            assert (response.framing, response.body) == ("length", CONTENT[:length])


def test_a_range_by_offset_and_length(path: Path) -> None:
    def open_() -> Any:
        file = path.open("rb")
        file.seek(1000)
        return file

    response = ask(
        wrapping(
            open_, ("Content-Length", "500"), ("Content-Range", "bytes 1000-1499/300000"), status="206 Partial Content"
        )
    )
    assert (response.status, response.body) == (206, CONTENT[1000:1500])


def test_a_length_above_the_files_is_500(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = Closing(path.open("rb"))
    assert ask(wrapping(file, ("Content-Length", "300001"))).status == 500
    assert "fewer than its Content-Length" in caplog.text
    assert file.closed_count == 1


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    response = ask(wrapping(lambda: (tmp_path / "empty").open("rb")))
    assert (response.status, response.get("Content-Length"), response.body) == (200, "0", b"")


def test_head_of_a_file(path: Path, serve: Serve) -> None:
    file = Closing(path.open("rb"))
    with Client(serve(wrapping(file))) as client:
        response = client.ask(request("HEAD"), head=True)
        assert response.get("Content-Length") == "300000"
        assert client.is_silent(0.02)
    assert (file.reads, file.closed_count) == (0, 1)


def test_head_may_announce_more_than_the_file_has(path: Path) -> None:
    assert (
        ask(wrapping(lambda: path.open("rb"), ("Content-Length", "400000")), request("HEAD")).get("Content-Length")
        == "400000"
    )


def test_1_0_gets_a_length_too(path: Path) -> None:
    response = ask(wrapping(lambda: path.open("rb")), b"GET / HTTP/1.0\r\n\r\n")
    assert (response.framing, response.body) == ("length", CONTENT)


def test_a_large_file_to_a_slow_reader_while_another_is_served(tmp_path: Path, serve: Serve, threads: int) -> None:
    """In a thread the file is closed at once, which frees it: the loop sends by a descriptor of its own."""
    large = tmp_path / "large"
    with large.open("wb") as file:
        for i in range(20):
            file.write(bytes([i]) * 1_000_000)
    opened: list[Closing] = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        if environ["PATH_INFO"] != "/large":
            return [b"small"]
        opened.append(Closing(large.open("rb")))
        return environ["wsgi.file_wrapper"](opened[0])

    server = serve(app)
    with Client(server, receive_buffer=4096) as slow, Client(server) as client:
        slow.send(request("GET", "/large"))
        slow.fill()
        for _ in range(3):
            assert client.ask(request()).body == b"small"
        assert opened[0].closed_count == (1 if threads else 0)
        body = slow.read().body
        assert len(body) == 20_000_000
        assert body == large.read_bytes()
        client.ask(request())
        assert opened[0].closed_count == 1


def test_every_size_around_the_steps_of_sending_comes_whole(tmp_path: Path, serve: Serve) -> None:
    """The answer ends, and the next request is served, wherever the last step falls."""
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(9 << 20)

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Length", environ["QUERY_STRING"])])
        return environ["wsgi.file_wrapper"](large.open("rb"))

    with Client(serve(app), timeout=10) as client:
        buffer = memoryview(bytearray(1 << 20))
        for i in range(60):
            size = (1 + i % 8) * (1 << 20) + i * 37_123 % (1 << 20)
            client.send(request("GET", f"/?{size}"))
            client.read_status()
            client.read_fields()
            left = size - len(client.pending)
            client.pending.clear()
            while left:
                left -= client.sock.recv_into(buffer, min(left, len(buffer)))


def test_a_file_that_shrinks_while_it_is_sent_breaks_the_body(tmp_path: Path, serve: Serve) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(50 << 20)
    wrapped = Closing(large.open("rb"))
    with Client(serve(wrapping(wrapped)), receive_buffer=4096) as client:
        client.send(request())
        client.fill()
        os.truncate(large, 1000)
        assert len(client.read_all_of_broken()) < 50 << 20
    for _ in range(100):
        if wrapped.closed_count:
            break
        import time

        time.sleep(0.02)
    assert wrapped.closed_count == 1


def test_a_client_that_goes_closes_the_file(tmp_path: Path, serve: Serve) -> None:
    import time

    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(50 << 20)
    wrapped = Closing(large.open("rb"))
    client = Client(serve(wrapping(wrapped)), receive_buffer=4096)
    client.send(request())
    client.fill()
    client.reset()
    for _ in range(500):
        if wrapped.closed_count:
            break
        time.sleep(0.01)
    assert wrapped.closed_count == 1


# By read().


def pipe_of(content: bytes) -> Any:
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    return os.fdopen(reading, "rb")


def socket_of(content: bytes) -> Any:
    ours, other = socket.socketpair()
    other.sendall(content)
    other.close()
    file = ours.makefile("rb")
    ours.close()
    return file


def spooled(content: bytes) -> Any:
    file = tempfile.SpooledTemporaryFile()  # noqa: SIM115
    file.write(content)
    file.seek(0)
    return file


@pytest.mark.parametrize("make", [io.BytesIO, pipe_of, socket_of, spooled], ids=lambda make: make.__name__)
@pytest.mark.parametrize("block_size", [None, 1, 7, 100_000])
def test_what_is_no_file_is_read(make: Any, block_size: int | None) -> None:
    assert ask(wrapping(lambda: make(b"0123456789" * 20), block_size=block_size)).body == b"0123456789" * 20


def buffered_gzip(path: Path) -> Any:
    return io.BufferedReader(gzip.GzipFile(path))


@pytest.mark.parametrize(
    ("make", "read"),
    [(gzip.open, gzip.open), (bz2.open, bz2.open), (lzma.open, lzma.open), (gzip.open, buffered_gzip)],
    ids=["gzip", "bz2", "lzma", "buffered"],
)
def test_what_decompresses_a_file_is_read(make: Any, read: Any, tmp_path: Path) -> None:
    """Its fileno() is that of the compressed file."""
    with make(tmp_path / "packed", "wb") as file:
        file.write(b"plain " * 1000)
    assert ask(wrapping(lambda: read(tmp_path / "packed"))).body == b"plain " * 1000


def test_a_file_opened_as_text_is_500(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert ask(wrapping(lambda: path.open(encoding="latin-1"))).status == 500
    assert "must be bytes, not str" in caplog.text


def test_objects_without_fileno_are_read_in_blocks_and_closed() -> None:
    file = Closing(io.BytesIO(b"x" * 20_000), "fileno")
    response = ask(wrapping(file))
    assert (response.framing, len(response.body)) == ("chunked", 20_000)
    assert (file.reads, file.closed_count) == (4, 1)


@pytest.mark.parametrize(
    "fileno",
    [ValueError, OSError, TypeError, io.UnsupportedOperation, SystemExit, "text", None, -1, 1 << 40, 1.5, 10**30],
)
def test_a_fileno_that_is_none(fileno: Any, path: Path) -> None:
    class Odd(Closing):
        def fileno(self) -> Any:
            if isinstance(fileno, type):
                raise fileno
            return fileno

    file = Odd(path.open("rb"))
    assert ask(wrapping(file)).body == CONTENT
    assert file.closed_count == 1
    assert file.reads > 1


@pytest.mark.parametrize("tell", [OSError, ValueError, None, -1, "text"])
def test_a_file_that_cannot_tell_where_it_stands_is_read(tell: Any, path: Path) -> None:
    class Odd(Closing):
        def tell(self) -> Any:
            if isinstance(tell, type):
                raise tell
            return tell

    file = Odd(path.open("rb"))
    assert ask(wrapping(file)).body == CONTENT
    assert file.reads > 1


def test_a_closed_descriptor_number_is_read(path: Path) -> None:
    class Odd(Closing):
        def fileno(self) -> int:
            return 1_000_000

    assert ask(wrapping(Odd(path.open("rb")))).body == CONTENT


def test_an_object_with_read_alone() -> None:
    class Reader:
        def __init__(self) -> None:
            self.blocks = [b"one ", b"two", b""]

        def read(self, size: int) -> bytes:
            assert size == 8192
            return self.blocks.pop(0)

    assert ask(wrapping(Reader)).body == b"one two"


def test_a_closed_file_is_500(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = path.open("rb")
    file.close()
    assert ask(wrapping(file)).status == 500


def test_a_text_file_is_500(caplog: pytest.LogCaptureFixture) -> None:
    assert ask(wrapping(lambda: io.StringIO("text"))).status == 500


def test_a_read_that_fails_breaks_the_body(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    class Failing:
        closed_count = 0
        count = 0

        def read(self, size: int) -> bytes:
            self.count += 1
            if self.count == 2:
                raise OSError("disk")
            return b"block"

        def close(self) -> None:
            self.closed_count += 1

    file = Failing()
    with Client(serve(wrapping(file))) as client:
        client.send(request())
        client.read_status()
        client.read_fields()
        assert client.read_all() == b"5\r\nblock\r\n"
    assert file.closed_count == 1


def test_it_can_be_iterated_by_the_application(path: Path) -> None:
    """Middleware does that."""

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        wrapped = environ["wsgi.file_wrapper"](path.open("rb"), 1000)
        assert iter(wrapped) is wrapped
        try:
            return [block.upper() for block in wrapped]
        finally:
            wrapped.close()

    assert ask(app).body == CONTENT.upper()


def test_one_that_middleware_has_begun_to_read_goes_on_there(path: Path) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        wrapped = environ["wsgi.file_wrapper"](path.open("rb"), 1000)
        next(wrapped)
        return wrapped

    assert ask(app).body == CONTENT[1000:]


def test_behind_write(path: Path) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])(b"front")
        return environ["wsgi.file_wrapper"](path.open("rb"))

    assert ask(app).body == b"front" + CONTENT


def test_before_start_response_is_500(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = Closing(path.open("rb"))
    assert ask(lambda environ, start_response: environ["wsgi.file_wrapper"](file)).status == 500
    assert file.closed_count == 1


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_bodiless_statuses_send_none_of_it(status: str, path: Path, serve: Serve) -> None:
    with Client(serve(wrapping(lambda: path.open("rb"), status=status))) as client:
        for _ in range(2):
            response = client.ask(request())
            assert (response.status, response.get("Content-Length")) == (int(status[:3]), None)
        assert client.is_silent(0.02)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((), TypeError),
        ((1, 2, 3), TypeError),
        ((io.BytesIO(), "8"), TypeError),
        ((io.BytesIO(), 0), ValueError),
        ((io.BytesIO(), -1), ValueError),
    ],
)
def test_wrong_arguments(arguments: Any, error: type[Exception]) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        with pytest.raises(error):
            environ["wsgi.file_wrapper"](*arguments)
        return [b"refused"]

    assert ask(app).body == b"refused"


def test_it_is_a_class_that_isinstance_takes() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        wrapper = environ["wsgi.file_wrapper"]
        file = io.BytesIO(b"1")
        wrapped = wrapper(file, 5)
        assert isinstance(wrapped, wrapper)
        assert (wrapped.filelike, wrapped.block_size) == (file, 5)
        return wrapped

    assert ask(app).body == b"1"
