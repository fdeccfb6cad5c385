"""What an application may return, when each block goes out, and the close() that follows."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from support.client import Client, request
from support.names import shown
from support.wsgi import Serve, Watched, ask, returns


class Text(bytes):
    """Derived from bytes: still bytes."""


class OnlyIter:
    def __iter__(self) -> Iterator[bytes]:
        return iter([b"a", b"b"])


class OldSequence:
    def __getitem__(self, index: int) -> bytes:
        return [b"a", b"b"][index]


class Sized:
    def __init__(self, *blocks: bytes) -> None:
        self.blocks = blocks

    def __len__(self) -> int:
        return len(self.blocks)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.blocks)


class Derived(list[bytes]):
    pass


def generator(*blocks: bytes) -> Iterator[bytes]:
    yield from blocks


# Kinds.


@pytest.mark.parametrize(
    ("result", "body", "framing"),
    [
        (list, b"", "length"),
        (lambda: [b""], b"", "length"),
        (lambda: [b"ab"], b"ab", "length"),
        (lambda: [b"a", b"b"], b"ab", "length"),
        (lambda: [b"", b"ab"], b"ab", "length"),
        (lambda: [b"a", b"", b"b", b""], b"ab", "length"),
        (lambda: (), b"", "length"),
        (lambda: (b"ab",), b"ab", "length"),
        (lambda: (b"a", b"b"), b"ab", "length"),
        (lambda: b"ab", b"ab", "length"),
        (lambda: b"", b"", "length"),
        (lambda: [Text(b"ab")], b"ab", "length"),
        (lambda: Derived([b"a", b"b"]), b"ab", "chunked"),
        (lambda: Derived([b"ab"]), b"ab", "length"),
        (generator, b"", "length"),
        (lambda: generator(b"", b""), b"", "length"),
        (lambda: generator(b"a", b"b"), b"ab", "chunked"),
        (lambda: generator(b"", b"a", b"", b"b", b""), b"ab", "chunked"),
        (lambda: generator(b"ab"), b"ab", "chunked"),
        (lambda: generator(Text(b"ab")), b"ab", "chunked"),
        (lambda: iter([b"a", b"b"]), b"ab", "chunked"),
        (lambda: map(bytes, [b"a", b"b"]), b"ab", "chunked"),
        (lambda: {b"ab"}, b"ab", "length"),
        (lambda: Watched(b"a", b"b"), b"ab", "chunked"),
        (OnlyIter, b"ab", "chunked"),
        (OldSequence, b"ab", "chunked"),
        (lambda: Sized(b"ab"), b"ab", "length"),
        (lambda: Sized(b""), b"", "length"),
        (lambda: Sized(b"a", b"b"), b"ab", "chunked"),
        (Sized, b"", "length"),
        (lambda: [b"x"] * 256, b"x" * 256, "length"),
        (lambda: [b"x"] * 257, b"x" * 257, "chunked"),
        (lambda: [b"x" * 1000] * 5000, b"x" * 5_000_000, "chunked"),
        (lambda: [b"x" * 16384, b"y" * 16385, b"z" * 65537], b"x" * 16384 + b"y" * 16385 + b"z" * 65537, "length"),
        (lambda: [b"x" * (10 << 20)], b"x" * (10 << 20), "length"),
        (lambda: generator(*[b"x" * 100_000] * 50), b"x" * 5_000_000, "chunked"),
    ],
)
def test_any_iterable_is_sent_whole(result: Any, body: bytes, framing: str, serve: Serve) -> None:
    with Client(serve(returns(result))) as client:
        for _ in range(2):
            response = client.ask(request())
            assert response.status == 200
            assert response.body == body
            assert response.framing == framing


def test_a_class_whose_len_is_one_may_give_more_blocks_than_it_says(
    caplog: pytest.LogCaptureFixture, serve: Serve
) -> None:
    """Its first block's size was announced: what comes behind it is not sent, and not taken for a response."""

    class Liar(Sized):
        def __len__(self) -> int:
            return 1

    with Client(serve(returns(lambda: Liar(b"one", b"two")))) as client:
        client.send(request() + request())
        assert client.read().body == b"one"
        assert client.is_closed()
    assert "longer" in str(caplog.records[0].exc_info)


@pytest.mark.parametrize("error", [TypeError, ValueError, SystemExit])
def test_a_len_that_raises_does_no_harm(error: type[BaseException]) -> None:
    class Broken(Sized):
        def __len__(self) -> int:
            raise error

    assert ask(returns(lambda: Broken(b"a", b"b"))).body == b"ab"


@pytest.mark.parametrize(
    "result",
    [
        None,
        1,
        1.5,
        object(),
        "text",
        ["text"],
        [None],
        [1],
        [b"a", "b"],
        [b"a", None],
        ("text",),
        [bytearray(b"x")],
        [memoryview(b"x")],
        [[b"x"]],
    ],
    ids=shown,
)
def test_what_is_not_an_iterable_of_bytes_is_500(result: Any, caplog: pytest.LogCaptureFixture) -> None:
    response = ask(returns(result))
    assert response.status == 500
    assert caplog.records[0].exc_info is not None
    assert isinstance(caplog.records[0].exc_info[1], TypeError)


@pytest.mark.parametrize("wrong", ["text", None, 1, bytearray(b"x"), memoryview(b"x")], ids=shown)
def test_a_wrong_first_block_is_500(wrong: Any, caplog: pytest.LogCaptureFixture) -> None:
    result = Watched(b"", wrong, b"never")
    assert ask(returns(result)).status == 500
    assert (result.taken, result.closed) == (2, 1)


@pytest.mark.parametrize("wrong", ["text", None, 1], ids=shown)
def test_a_wrong_later_block_breaks_the_body(wrong: Any, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    result = Watched(b"first", wrong, b"never")
    with Client(serve(returns(result))) as client:
        client.send(request())
        assert client.read_status()[0] == 200
        client.read_fields()
        assert client.read_all() == b"5\r\nfirst\r\n"
    assert (result.taken, result.closed) == (2, 1)


# When blocks go out.


def test_each_block_is_with_the_client_before_the_next_is_asked_for(serve: Serve) -> None:
    received = [threading.Event() for _ in range(5)]
    waited: list[bool] = []

    def blocks() -> Iterator[bytes]:
        for i, event in enumerate(received):
            yield b"block %d" % i
            waited.append(event.wait(5))

    with Client(serve(returns(blocks))) as client:
        client.send(request())
        client.read_status()
        client.read_fields()
        for i, event in enumerate(received):
            assert client.chunk_size() == 7
            assert client.take(9) == b"block %d\r\n" % i
            assert len(waited) <= i
            event.set()
        assert client.read_chunked() == (b"", [])
    assert waited == [True] * 5


def test_blocks_of_known_length_are_not_held_back_either(serve: Serve) -> None:
    received = threading.Event()
    waited: list[bool] = []

    def blocks() -> Iterator[bytes]:
        yield b"one"
        waited.append(received.wait(5))
        yield b"two"

    with Client(serve(returns(blocks, ("Content-Length", "6")))) as client:
        client.send(request())
        client.read_status()
        client.read_fields()
        assert client.take(3) == b"one"
        received.set()
        assert client.take(3) == b"two"
    assert waited == [True]


def test_the_head_waits_for_the_first_block_that_is_not_empty(serve: Serve) -> None:
    seen = threading.Event()
    late: list[bool] = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b""
        late.append(seen.wait(0.3))
        yield b"block"

    with Client(serve(app)) as client:
        client.send(request())
        assert client.is_silent(0.2)
        assert client.read().body == b"block"
    assert late == [False]


def test_many_small_blocks_let_others_in_between(serve: Serve) -> None:
    """A generator that never ends must not keep the worker for itself."""
    stop = threading.Event()

    def endless() -> Iterator[bytes]:
        while not stop.is_set():
            yield b"x"

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        return endless() if environ["PATH_INFO"] == "/endless" else [b"served"]

    server = serve(app)
    with Client(server) as endless_client, Client(server) as client:
        endless_client.send(request("GET", "/endless"))
        endless_client.fill()
        try:
            for _ in range(3):
                assert client.ask(request()).body == b"served"
        finally:
            stop.set()


# close().


def test_close_comes_once_after_the_end(serve: Serve) -> None:
    results = [Watched(b"a", b"b"), Watched(), Watched(b"")]
    pending = iter(results)
    with Client(serve(returns(lambda: next(pending)))) as client:
        for _ in results:
            assert client.ask(request()).status == 200
    assert [result.closed for result in results] == [1, 1, 1]


def test_close_of_the_result_and_not_of_its_iterator() -> None:
    iterator = Watched(b"a")

    class Result:
        closed = 0

        def __iter__(self) -> Watched:
            return iterator

        def close(self) -> None:
            self.closed += 1

    result = Result()
    assert ask(returns(lambda: result)).body == b"a"
    assert (result.closed, iterator.closed) == (1, 0)


def test_close_of_derived_lists() -> None:
    class Closing(list[bytes]):
        closed = 0

        def close(self) -> None:
            self.closed += 1

    result = Closing([b"a"])
    assert ask(returns(result)).body == b"a"
    assert result.closed == 1


def test_close_of_a_result_that_cannot_be_iterated(caplog: pytest.LogCaptureFixture) -> None:
    class Result:
        closed = 0

        def close(self) -> None:
            self.closed += 1

    result = Result()
    assert ask(returns(lambda: result)).status == 500
    assert result.closed == 1


def test_close_runs_the_finally_of_a_generator(serve: Serve) -> None:
    steps: list[str] = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Length", "1")])
        try:
            yield b"a"
            steps.append("went on")
            yield b""
        finally:
            steps.append("finally")

    with Client(serve(app)) as client:
        client.ask(request("HEAD"), head=True)
        assert steps == ["finally"]
        client.ask(request())
        assert steps == ["finally", "went on", "finally"]


@pytest.mark.parametrize("data", [request("HEAD"), b"HEAD / HTTP/1.0\r\n\r\n"])
def test_close_comes_for_head(data: bytes, serve: Serve) -> None:
    result = Watched(b"a", b"b")
    with Client(serve(returns(result, ("Content-Length", "2")))) as client:
        response = client.ask(data, head=True)
    assert response.get("Content-Length") == "2"
    assert result.closed == 1


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified", "205 Reset Content"])
def test_close_comes_for_bodiless_statuses(status: str) -> None:
    result = Watched(b"a", b"b")
    assert ask(returns(result, status=status)).body == b""
    assert result.closed == 1


@pytest.mark.parametrize("blocks", [(), (b"",), (b"a",), (b"a", b"b")])
@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit, MemoryError])
def test_close_comes_after_an_error_in_the_iteration(
    blocks: tuple[bytes, ...], error: type[BaseException], serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise error("in the iteration")

    result = Watched(*blocks, at_end=fail)
    with Client(serve(returns(result))) as client:
        client.send(request("GET", "/", "Connection: close"))
        client.read_all_of_broken()
    assert result.closed == 1
    assert (result.taken, len(blocks)) == (len(blocks), len(blocks))


def test_close_comes_when_start_response_was_never_called(caplog: pytest.LogCaptureFixture) -> None:
    result = Watched(b"a")
    assert ask(lambda environ, start_response: result).status == 500
    assert result.closed == 1


def test_close_comes_when_the_length_is_wrong(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    for length in ("1", "100"):
        result = Watched(b"a", b"b")
        with Client(serve(returns(result, ("Content-Length", length)))) as client:
            client.send(request())
            client.read_all()
        assert result.closed == 1


@pytest.mark.parametrize("goes", ["resets", "closes"])
def test_close_comes_when_the_client_goes(goes: str, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    def forever() -> Iterator[bytes]:
        while True:
            yield b"x" * 50_000

    inner = forever()
    result = Watched()
    result.blocks = inner
    server = serve(returns(result))
    client = Client(server, receive_buffer=4096)
    client.send(request())
    client.take(1000)
    if goes == "resets":
        client.reset()
    else:
        client.close()
    assert result.was_closed.wait(10)
    assert result.closed == 1
    assert not caplog.records  # nobody is to blame
    for _ in range(500):
        if server.stats()["open"] == 0:
            break
        time.sleep(0.01)
    assert server.stats()["open"] == 0


def test_close_comes_when_the_server_is_killed(serve: Serve) -> None:
    result = Watched(*[b"x" * 100_000] * 1000)
    server = serve(returns(result))
    with Client(server, receive_buffer=4096) as client:
        client.send(request())
        client.take(1000)
        server.stop(at_once=True)
        assert result.closed == 1


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
def test_an_error_in_close_is_logged_and_spoils_nothing(
    error: type[BaseException], serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    class Result(Watched):
        def close(self) -> None:
            super().close()
            raise error("in close")

    results = [Result(b"a", b"b"), Result(b"c")]
    pending = iter(results)
    with Client(serve(returns(lambda: next(pending)))) as client:
        assert client.ask(request()).body == b"ab"
        assert client.ask(request()).body == b"c"
    assert [result.closed for result in results] == [1, 1]
    if error is not KeyboardInterrupt:  # which the log leaves out
        assert "in close" in str(caplog.records[0].exc_info)


def test_a_close_that_cannot_be_called_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Result(OnlyIter):
        close = None

    assert ask(returns(Result)).body == b"ab"
    assert "close()" in caplog.text


def test_a_close_attribute_that_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Result(OnlyIter):
        @property
        def close(self) -> Any:
            raise ValueError("no attribute")

    assert ask(returns(Result)).body == b"ab"
    assert "no attribute" in caplog.text


def test_close_comes_before_the_client_can_ask_again(serve: Serve) -> None:
    """A request that follows sees what close() did."""
    state = {"closed": 0}

    class Result(OnlyIter):
        def close(self) -> None:
            time.sleep(0.05)
            state["closed"] += 1

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        return [b"%d" % state["closed"]] if environ["PATH_INFO"] == "/state" else Result()

    server = serve(app)
    with Client(server) as client, Client(server) as other:
        client.ask(request())
        assert other.ask(request("GET", "/state")).body == b"1"


def test_nothing_of_the_result_is_kept(serve: Serve) -> None:
    import gc
    import weakref

    class Result(OnlyIter):
        pass

    kept: list[Any] = []

    def make() -> Result:
        result = Result()
        kept.append(weakref.ref(result))
        return result

    with Client(serve(returns(make))) as client:
        client.ask(request())
        client.ask(request())
    gc.collect()
    assert [ref() for ref in kept] == [None, None]
