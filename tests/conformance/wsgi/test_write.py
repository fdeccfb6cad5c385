"""The write() that start_response returns."""

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from support.client import Client, request
from support.names import shown
from support.wsgi import Serve, Watched, ask


def test_blocks_come_in_order_and_before_the_result() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [])
        assert write(b"one ") is None
        write(b"two ")
        return [b"three ", b"four"]

    response = ask(app)
    assert (response.body, response.framing) == (b"one two three four", "chunked")


@pytest.mark.parametrize("result", [[], [b""], (), iter([]), b""], ids=shown)
def test_it_may_be_the_whole_body(result: Any) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Length", "5")])(b"whole")
        return result

    response = ask(app)
    assert (response.body, response.framing) == (b"whole", "length")


def test_it_sends_before_it_returns(serve: Serve) -> None:
    received = threading.Event()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [("X-A", "1")])
        write(b"first")
        assert received.wait(5)
        return [b"second"]

    with Client(serve(app)) as client:
        client.send(request())
        assert client.read_status()[0] == 200
        client.read_fields()
        assert client.chunk_size() == 5
        assert client.take(7) == b"first\r\n"
        received.set()
        assert client.read_chunked() == (b"second", [])


def test_an_empty_block_sends_no_head() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])(b"")
        try:
            raise ValueError
        except ValueError as error:
            start_response("503 Broken", [], (ValueError, error, None))(b"")
        return [b"page"]

    response = ask(app)
    assert (response.status, response.body, response.framing) == (503, b"page", "length")


@pytest.mark.parametrize("block", ["text", None, 1, bytearray(b"x"), memoryview(b"x"), [b"x"]], ids=shown)
def test_only_bytes_are_taken(block: Any) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [])
        with pytest.raises(TypeError, match="must be bytes"):
            write(block)
        return [b"body"]

    assert ask(app).body == b"body"


def test_wrong_arguments() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [])
        for args, kwargs in (((), {}), ((b"a", b"b"), {}), ((b"a",), {"x": 1}), ((), {"block": b"a"})):
            with pytest.raises(TypeError):
                write(*args, **kwargs)
        return [b"body"]

    assert ask(app).body == b"body"


def test_more_than_the_length_is_refused_and_not_sent() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [("Content-Length", "4")])
        with pytest.raises(ValueError, match="longer"):
            write(b"12345")
        write(b"123")
        with pytest.raises(ValueError, match="longer"):
            write(b"45")
        write(b"4")
        return []

    assert ask(app).body == b"1234"


def test_large_blocks() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [])
        for size in (1, 16384, 16385, 65536, 5 << 20):
            write(b"x" * size)
        return [b"end"]

    assert len(ask(app).body) == 1 + 16384 + 16385 + 65536 + (5 << 20) + 3


def test_head_gets_none_of_it() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "4")])(b"body")
        return []

    response = ask(app, request("HEAD"))
    assert (response.body, response.get("Content-Length")) == (b"", "4")


def test_1_0_gets_it_up_to_the_close(serve: Serve) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])(b"one ")
        return [b"two"]

    response = ask(app, b"GET / HTTP/1.0\r\n\r\n")
    assert (response.body, response.framing) == (b"one two", "close")


def test_an_error_after_it_breaks_the_body(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])(b"part")
        raise ValueError("after write")

    with Client(serve(app)) as client:
        client.send(request())
        assert client.read_status()[0] == 200
        client.read_fields()
        assert client.read_all() == b"4\r\npart\r\n"
    assert "after write" in str(caplog.records[0].exc_info)


def test_it_waits_for_a_slow_reader_and_gives_up_after_the_write_timeout(serve: Serve) -> None:
    errors: list[BaseException] = []
    over = threading.Event()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/after":
            start_response("200 OK", [])
            return [b"served"]
        write = start_response("200 OK", [])
        try:
            for _ in range(200):
                write(b"x" * 100_000)
        except OSError as error:
            errors.append(error)
            raise
        finally:
            over.set()
        return []

    server = serve(app, timeout_write=0.5)
    with Client(server, receive_buffer=4096) as slow:
        slow.send(request())
        assert over.wait(10)
        assert isinstance(errors[0], TimeoutError)
        with Client(server) as client:
            assert client.ask(request("GET", "/after")).body == b"served"


def test_other_threads_run_while_it_waits(serve: Serve) -> None:
    done = threading.Event()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [])
        for _ in range(50):
            write(b"x" * 100_000)
        done.set()
        return []

    with Client(serve(app), receive_buffer=4096) as client:
        client.send(request())
        time.sleep(0.2)  # this thread runs: the server's gave up the interpreter
        assert not done.is_set()
        assert len(client.read().body) == 5_000_000
    assert done.wait(5)


def test_a_client_that_goes_is_an_error_for_the_writer_only(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    over = threading.Event()
    errors: list[BaseException] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/after":
            start_response("200 OK", [])
            return [b"served"]
        write = start_response("200 OK", [])
        try:
            for _ in range(1000):
                write(b"x" * 100_000)
        except OSError as error:
            errors.append(error)
            raise
        finally:
            over.set()
        return []

    server = serve(app)
    client = Client(server, receive_buffer=4096)
    client.send(request())
    client.take(1000)
    client.reset()
    assert over.wait(10)
    assert isinstance(errors[0], ConnectionResetError)
    with Client(server) as after:
        assert after.ask(request("GET", "/after")).body == b"served"
    assert not caplog.records


def test_a_writer_who_ignores_the_error_gets_nowhere(serve: Serve) -> None:
    results: list[Watched] = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        write = start_response("200 OK", [])
        for _ in range(100):
            with contextlib.suppress(OSError):
                write(b"x" * 100_000)
        results.append(Watched(b"a", b"b", b"c"))
        return results[0]

    client = Client(serve(app), receive_buffer=4096)
    client.send(request())
    client.take(1000)
    client.reset()
    for _ in range(1000):
        if results and results[0].closed:
            break
        time.sleep(0.01)
    assert results[0].closed == 1


def test_a_kill_does_not_wait_for_the_slow_reader(serve: Serve) -> None:
    errors: list[BaseException] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [])
        try:
            while True:
                write(b"x" * 100_000)
        except OSError as error:
            errors.append(error)
            raise

    server = serve(app, timeout_write=0)
    with Client(server, receive_buffer=4096) as client:
        client.send(request())
        client.take(1000)
        began = time.monotonic()
        server.stop(at_once=True)
        assert time.monotonic() - began < 3
    assert isinstance(errors[0], ConnectionResetError)


# Out of time and place.


def test_after_the_request_it_is_refused(serve: Serve) -> None:
    kept: list[Any] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        kept.append(start_response("200 OK", []))
        return [b"body"]

    with Client(serve(app)) as client:
        for _ in range(3):
            assert client.ask(request()).body == b"body"
        for write in kept:
            with pytest.raises(RuntimeError, match="ended"):
                write(b"late")
        assert client.ask(request()).body == b"body"


def test_in_close_it_is_refused() -> None:
    seen: list[BaseException] = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        write = start_response("200 OK", [])

        class Result:
            def __iter__(self) -> Iterator[bytes]:
                return iter([b"body"])

            def close(self) -> None:
                try:
                    write(b"late")
                except RuntimeError as error:
                    seen.append(error)

        return Result()

    assert ask(app).body == b"body"
    assert len(seen) == 1


def test_another_requests_write_cannot_reach_into_this_one(serve: Serve) -> None:
    """A suspended response's write(), called while another connection is served: neither client may see the other's
    bytes."""
    kept: list[Any] = []
    seen: list[BaseException] = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        write = start_response("200 OK", [])
        if environ["PATH_INFO"] == "/slow":
            kept.append(write)
            return Watched(*[b"s" * 100_000] * 100)
        if environ["PATH_INFO"] == "/meddle":
            try:
                kept[0](b"meddled")
            except RuntimeError as error:
                seen.append(error)
        return [environ["PATH_INFO"].encode()]

    server = serve(app)
    with Client(server, receive_buffer=4096) as slow, Client(server) as client:
        slow.send(request("GET", "/slow"))
        slow.fill()
        client.send(request("GET", "/first") + request("GET", "/meddle") + request("GET", "/last"))
        assert [client.read().body for _ in range(3)] == [b"/first", b"/meddle", b"/last"]
        assert len(seen) == 1
        with pytest.raises(RuntimeError):
            kept[0](b"from another thread, while the loop waits")
        body = slow.read().body
        assert body == b"s" * 10_000_000


def test_from_a_thread_of_the_application_while_it_waits_for_it() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [])
        thread = threading.Thread(target=write, args=(b"from the thread, ",))
        thread.start()
        thread.join()
        return [b"from here"]

    assert ask(app).body == b"from the thread, from here"


def test_a_thread_that_still_waits_when_the_request_ends(serve: Serve) -> None:
    outcome: list[Any] = []
    ended = threading.Event()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/after":
            start_response("200 OK", [])
            return [b"served"]
        write = start_response("200 OK", [])
        began = threading.Event()

        def work() -> None:
            began.set()
            try:
                while True:
                    write(b"x" * 1_000_000)
            except (RuntimeError, OSError) as error:
                outcome.append(error)
            ended.set()

        threading.Thread(target=work).start()
        began.wait()
        time.sleep(0.2)
        return []

    server = serve(app)
    with Client(server, receive_buffer=4096) as slow:
        slow.send(request())
        assert ended.wait(10)
        assert isinstance(outcome[0], RuntimeError)
        with Client(server) as client:
            assert client.ask(request("GET", "/after")).body == b"served"
