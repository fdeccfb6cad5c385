"""The length of a body: announced, counted, kept to; what has no body; and what a broken one looks like."""

import errno
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from support.client import Client, request
from support.wsgi import Serve, Watched, ask, returns

GET_1_0 = b"GET / HTTP/1.0\r\n\r\n"
KEEP_1_0 = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"


# Framing.


def test_one_block_gets_its_length() -> None:
    assert ask(returns([b"hello"])).get("Content-Length") == "5"


def test_an_unknown_length_is_chunked_for_1_1(serve: Serve) -> None:
    with Client(serve(returns(lambda: iter([b"a", b"b"])))) as client:
        for _ in range(2):
            response = client.ask(request())
            assert (response.framing, response.body, response.closes) == ("chunked", b"ab", False)


@pytest.mark.parametrize("data", [GET_1_0, KEEP_1_0])
def test_an_unknown_length_ends_with_the_connection_for_1_0(data: bytes, serve: Serve) -> None:
    with Client(serve(returns(lambda: iter([b"a", b"b"])))) as client:
        response = client.ask(data)
        assert (response.framing, response.body, response.closes) == ("close", b"ab", True)


def test_a_known_length_keeps_1_0_alive(serve: Serve) -> None:
    with Client(serve(returns([b"ab"]))) as client:
        for _ in range(2):
            response = client.ask(KEEP_1_0)
            assert (response.framing, response.body, response.closes) == ("length", b"ab", False)
            assert response.get("Connection") == "keep-alive"


@pytest.mark.parametrize("data", [request(), GET_1_0])
def test_the_applications_length_is_used_for_generators(data: bytes) -> None:
    response = ask(returns(lambda: iter([b"ab", b"cd"]), ("Content-Length", "4")), data)
    assert (response.framing, response.body) == ("length", b"abcd")


# Longer than announced.


@pytest.mark.parametrize("result", [lambda: [b"abc"], lambda: [b"ab", b"c"], lambda: b"abc", lambda: (b"a", b"bc")])
def test_a_list_longer_than_its_length_is_500(result: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert ask(returns(result, ("Content-Length", "2"))).status == 500
    assert "longer than its Content-Length of 2" in str(caplog.records[0].exc_info)


def test_a_first_block_longer_than_the_length_is_500(caplog: pytest.LogCaptureFixture) -> None:
    result = Watched(b"abc")
    assert ask(returns(result, ("Content-Length", "2"))).status == 500
    assert result.closed == 1


@pytest.mark.parametrize("blocks", [(b"a", b"bc"), (b"ab", b"c"), (b"ab", b"c" * 100_000)])
def test_a_body_longer_than_its_length_ends_the_connection(
    blocks: tuple[bytes, ...], serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """What does not fit is not sent: it would be read as the next response."""
    result = Watched(*blocks, b"never")
    with Client(serve(returns(result, ("Content-Length", "2")))) as client:
        client.send(request() + request())
        assert client.read_status()[0] == 200
        client.read_fields()
        assert client.read_all_of_broken() in {b"a", b"ab"}
    assert result.closed == 1
    assert "longer" in str(caplog.records[0].exc_info)


def test_length_zero_with_a_body(caplog: pytest.LogCaptureFixture) -> None:
    assert ask(returns([b"x"], ("Content-Length", "0"))).status == 500


# Shorter than announced.


@pytest.mark.parametrize("result", [list, lambda: [b"ab"], lambda: iter([b"a", b"b"]), lambda: iter([])])
def test_a_body_shorter_than_its_length_ends_the_connection(
    result: Any, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    with Client(serve(returns(result, ("Content-Length", "5")))) as client:
        client.send(request() + request())
        assert client.read_status()[0] == 200
        assert ("Content-Length", "5") in client.read_fields()
        assert client.read_all_of_broken() in {b"", b"ab"}
    assert "shorter" in caplog.text


# An error in the middle.


def broken() -> Iterator[bytes]:
    yield b"abc"
    raise ValueError("in the middle")


def test_a_chunked_body_that_breaks_has_no_last_chunk(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    with Client(serve(returns(broken))) as client:
        client.send(request() + request())
        assert client.read_status()[0] == 200
        client.read_fields()
        assert client.read_all_of_broken() == b"3\r\nabc\r\n"
    assert len(caplog.records) == 1
    assert "in the middle" in caplog.text


def test_a_counted_body_that_breaks_is_short(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    with Client(serve(returns(broken, ("Content-Length", "10")))) as client:
        client.send(request() + request())
        assert client.read_status()[0] == 200
        client.read_fields()
        assert client.read_all_of_broken() == b"abc"


def test_a_body_up_to_the_close_that_breaks_ends_in_a_reset(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """After a FIN it would look whole."""
    with Client(serve(returns(broken))) as client:
        client.send(GET_1_0)
        with pytest.raises(OSError) as caught:  # noqa: PT011, PT012
            while client.sock.recv(65536):
                pass
        assert caught.value.errno == errno.ECONNRESET


def test_an_error_before_the_first_block_is_a_whole_500(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("X-A", "1"), ("Content-Length", "5")])
        yield b""
        raise ValueError("before the first block")

    with Client(serve(app)) as client:
        for _ in range(2):  # the connection is as good as before
            response = client.ask(request())
            assert response.status == 500
            assert response.get("X-A") is None
            assert response.get("Content-Length") == str(len(response.body))
            assert b"before" not in response.body


# No body at all.


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
@pytest.mark.parametrize(
    "result", [list, lambda: [b"x"], lambda: iter([b"x", b"y"]), lambda: b"x", lambda: [b"x" * 100_000]]
)
@pytest.mark.parametrize("data", [request(), request("HEAD"), KEEP_1_0])
def test_bodiless_statuses(status: str, result: Any, data: bytes, serve: Serve) -> None:
    """RFC 9110 15.3.5, 15.4.5 and 8.6: no body, no invented length, and the connection goes on."""
    with Client(serve(returns(result, status=status))) as client:
        for _ in range(2):
            response = client.ask(data, head=data.startswith(b"HEAD"))
            assert response.status == int(status[:3])
            assert response.get("Content-Length") is None
            assert response.get("Transfer-Encoding") is None
            assert not response.closes
        assert client.is_silent(0.02)


def test_204_with_a_length_says_none() -> None:
    assert ask(returns([], ("Content-Length", "0"), status="204 No Content")).get("Content-Length") is None


@pytest.mark.parametrize("result", [[], iter([])])
def test_304_keeps_the_length_of_what_it_stands_for(result: Any) -> None:
    assert ask(returns(result, ("Content-Length", "1234"), status="304 Not Modified")).get("Content-Length") == "1234"


def test_205_has_length_zero(serve: Serve) -> None:
    """RFC 9110 15.3.6."""
    with Client(serve(returns(lambda: [b"x"], status="205 Reset Content"))) as client:
        for _ in range(2):
            response = client.ask(request())
            assert (response.status, response.get("Content-Length"), response.body) == (205, "0", b"")


@pytest.mark.parametrize(
    ("result", "headers", "length"),
    [
        (lambda: [b"hello"], [], "5"),
        (lambda: [b"hello"], [("Content-Length", "5")], "5"),
        (list, [("Content-Length", "5")], "5"),
        (lambda: iter([]), [("Content-Length", "5")], "5"),
        (lambda: iter([b"he", b"llo"]), [("Content-Length", "5")], "5"),
        (lambda: [b"longer"], [("Content-Length", "5")], "5"),
        (list, [], None),
        (lambda: iter([]), [], None),
    ],
)
def test_head_says_what_get_would_say(result: Any, headers: Any, length: str | None, serve: Serve) -> None:
    with Client(serve(returns(result, *headers))) as client:
        for _ in range(2):
            response = client.ask(request("HEAD"), head=True)
            assert (response.status, response.get("Content-Length"), response.body) == (200, length, b"")
        assert client.is_silent(0.02)


def test_head_takes_one_block_of_a_generator_at_most(serve: Serve) -> None:
    result = Watched(b"", b"one", b"two", b"three")
    with Client(serve(returns(result))) as client:
        client.ask(request("HEAD"), head=True)
    assert (result.taken, result.closed) == (2, 1)


def test_pipelined_answers_of_every_kind(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        if path == "/error":
            raise ValueError
        write = start_response("204 No Content" if path == "/none" else "200 OK", [])
        if path == "/write":
            write(b"wri")
            return [b"te"]
        return iter([b"gen", b"erator"]) if path == "/generator" else [] if path == "/none" else [path.encode()]

    paths = ["/list", "/generator", "/none", "/error", "/write"] * 20
    expected = {
        "/list": b"/list",
        "/generator": b"generator",
        "/none": b"",
        "/error": b"500 Internal Server Error\n",
        "/write": b"write",
    }
    with Client(serve(app)) as client:
        client.send(b"".join(request("GET", path) for path in paths))
        assert [client.read().body for _ in paths] == [expected[path] for path in paths]
        client.sock.shutdown(socket.SHUT_WR)
        assert client.is_closed()
