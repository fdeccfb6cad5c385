"""Expect, Connection, pipelining, HTTP/1.0, half-close, Upgrade, paths (RFC 9112 9, RFC 9110 7.6 to 10.1)."""

import json
import time
from collections.abc import Callable, Iterable, Iterator

import pytest
from support.client import Client, Response, request
from support.echo import SMUGGLED, Echo, check_refusal, refused, row_ids, seen_by, served

from velocem import Server
from velocem.types import Application, StartResponse, WSGIApplication, WSGIEnvironment


def ask(*lines: bytes, first: bytes = b"GET /a HTTP/1.1", body: bytes = b"") -> bytes:
    return b"\r\n".join([first, b"Host: h", *lines, b"", b""]) + body


# Whether the connection stays open: section, name, request, open.
ENDINGS: list[tuple[str, str, bytes, bool]] = [
    ("9112-9.3", "1.1 persists", ask(), True),
    ("9112-9.3", "1.1 with keep-alive", ask(b"Connection: keep-alive"), True),
    ("9112-9.3", "1.1 with an unknown option", ask(b"Connection: foo"), True),
    ("9112-9.3", "close", ask(b"Connection: close"), False),
    ("9110-7.6.1", "close in upper case", ask(b"Connection: CLOSE"), False),
    ("9110-7.6.1", "close in a list", ask(b"Connection: foo, Close ,bar"), False),
    ("9110-7.6.1", "close in a second line", ask(b"Connection: foo", b"Connection: close"), False),
    ("9110-7.6.1", "close after keep-alive", ask(b"Connection: keep-alive, close"), False),
    ("9110-7.6.1", "close before keep-alive", ask(b"Connection: close, keep-alive"), False),
    ("9110-7.6.1", "close as a part of a word", ask(b"Connection: closed, not-close, close-x"), True),
    ("9110-7.6.1", "close with a parameter is another option", ask(b"Connection: close;x"), True),
    ("9110-7.6.1", "empty list members", ask(b"Connection: , ,, close,"), False),
    ("9110-7.6.1", "empty", ask(b"Connection:"), True),
    ("9112-9.3", "1.0 closes", ask(first=b"GET /a HTTP/1.0"), False),
    ("9112-9.3", "1.0 with keep-alive", ask(b"Connection: Keep-Alive", first=b"GET /a HTTP/1.0"), True),
    (
        "9112-9.3",
        "1.0 with keep-alive and close",
        ask(b"Connection: keep-alive, close", first=b"GET /a HTTP/1.0"),
        False,
    ),
    ("9112-9.3", "1.0 with an unknown option", ask(b"Connection: foo", first=b"GET /a HTTP/1.0"), False),
    ("9112-9.3", "1.2 persists", ask(first=b"GET /a HTTP/1.2"), True),
    ("9112-9.3", "1.0 with Keep-Alive as a field", ask(b"Keep-Alive: 5", first=b"GET /a HTTP/1.0"), False),
    ("9112-C.2.2", "Proxy-Connection says nothing", ask(b"Proxy-Connection: close"), True),
]

# Nothing is switched: the request is served as it stands.
UPGRADES: list[tuple[str, str, bytes]] = [
    ("9110-7.8", "unknown protocol", ask(b"Connection: upgrade", b"Upgrade: foo/2")),
    ("9110-7.8", "without Connection", ask(b"Upgrade: websocket")),
    ("9110-7.8", "in 1.0", ask(b"Connection: upgrade, keep-alive", b"Upgrade: websocket", first=b"GET /a HTTP/1.0")),
    ("9113-3.1", "h2c", ask(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk")),
    ("9110-7.8", "with a body", ask(b"Connection: upgrade", b"Upgrade: foo", b"Content-Length: 2", body=b"hi")),
    ("9110-7.8", "empty", ask(b"Connection: upgrade", b"Upgrade:")),
]


@pytest.mark.parametrize(("_section", "_name", "data", "stays"), ENDINGS, ids=row_ids(ENDINGS))
def test_ends_as_it_should(server: Server, echo: Echo, _section: str, _name: str, data: bytes, stays: bool) -> None:
    with Client(server) as client:
        client.send(data + SMUGGLED.replace(b"/smuggled", b"/second" if stays else b"/smuggled"))
        response = client.read()
        assert response.status == 200
        assert response.closes is not stays
        if stays:
            assert seen_by(client.read()).path == "/second"
        else:
            assert client.read_all() == b""
    assert "/smuggled" not in echo.paths()


def test_keep_alive_is_said_to_1_0_only(server: Server) -> None:
    response, _ = served(server, ask(b"Connection: keep-alive", first=b"GET / HTTP/1.0"))
    assert response.get("Connection") == "keep-alive"
    response, _ = served(server, ask(b"Connection: keep-alive"))
    assert response.get("Connection") is None


@pytest.mark.parametrize(("_section", "_name", "data"), UPGRADES, ids=row_ids(UPGRADES))
def test_an_upgrade_that_is_not_offered_is_ignored(server: Server, _section: str, _name: str, data: bytes) -> None:
    with Client(server) as client:
        assert seen_by(client.ask(data)).path == "/a"
        assert seen_by(client.ask(request(target="/next"))).path == "/next"


# --- pipelining ----------------------------------------------------------------------------------------------------


def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    count = 500
    data = b"".join(request("POST", f"/{i}", body=b"x" * (i % 7)) for i in range(count))
    with Client(server) as client:
        client.send(data)
        for i in range(count):
            seen = seen_by(client.read())
            assert (seen.path, seen.body) == (f"/{i}", "x" * (i % 7))


@pytest.mark.parametrize(
    "bad", [b"BAD\r\n\r\n", b"GET / HTTP/1.1\r\nHost: h\r\nA : b\r\n\r\n", b"\0", b"GET / HTTP/9.9\r\n\r\n"]
)
def test_good_requests_before_a_bad_one_are_answered_first(server: Server, bad: bytes) -> None:
    status = 505 if b"9.9" in bad else 400
    with Client(server) as client:
        client.send(request(target="/1") + request("POST", "/2", body=b"abc") + bad + SMUGGLED)
        assert seen_by(client.read()).path == "/1"
        assert seen_by(client.read()).body == "abc"
        check_refusal(client, status, bad)


def test_empty_lines_between_requests(server: Server) -> None:
    """RFC 9112 2.2: some clients end a body with a CRLF that is not part of it."""
    with Client(server) as client:
        client.send(request("POST", "/1", body=b"abc") + b"\r\n" + request(target="/2"))
        assert seen_by(client.read()).path == "/1"
        assert seen_by(client.read()).path == "/2"


def test_bytes_behind_a_body_are_the_next_request(server: Server) -> None:
    with Client(server) as client:
        client.send(request("POST", "/1", body=b"abc") + b"xyz" + request(target="/2"))
        assert seen_by(client.read()).path == "/1"
        assert seen_by(client.read()).environ["REQUEST_METHOD"] == "xyzGET"
        assert client.is_silent()


def test_requests_wait_while_answers_are_not_taken(serve: Callable[..., Server]) -> None:
    """A client that sends requests and reads nothing cannot make the server hold answers for it without bound."""
    asked = 0

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        nonlocal asked
        asked += 1
        start_response("200 OK", [("Content-Length", "60000")])
        return [b"x" * 60000]

    server = serve(app)
    with Client(server, receive_buffer=4096) as client:
        client.sock.setblocking(False)
        data = request() * 2000
        try:
            while data:
                data = data[client.sock.send(data) :]
        except BlockingIOError:
            pass
        time.sleep(0.3)
        before = asked
        assert before < 500
        time.sleep(0.2)
        assert asked == before
        client.sock.settimeout(10)
        for _ in range(50):
            assert len(client.read().body) == 60000
    assert asked > before or before >= 50


# --- Expect ----------------------------------------------------------------------------------------------------------

EXPECT = b"Expect: 100-continue"
LENGTH = b"Content-Length: 5"
POST = b"POST /a HTTP/1.1"


def read_after_100(client: Client, body: bytes) -> Response:
    assert client.read().status == 100
    client.send(body)
    return client.read()


@pytest.mark.parametrize("expect", [b"100-continue", b"100-Continue", b"100-CONTINUE"])
@pytest.mark.parametrize("coding", [(LENGTH, b"hello"), (b"Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n")])
def test_100_is_sent_for_a_body_that_is_awaited(server: Server, expect: bytes, coding: tuple[bytes, bytes]) -> None:
    """RFC 9110 10.1.1."""
    with Client(server) as client:
        client.send(ask(b"Expect: " + expect, coding[0], first=POST))
        assert seen_by(read_after_100(client, coding[1])).body == "hello"
        assert seen_by(client.ask(request(target="/next"))).path == "/next"


# The head is sent, and no 100 comes: section, name, head, what follows.
NO_CONTINUE: list[tuple[str, str, bytes, bytes]] = [
    ("9110-10.1.1", "HTTP/1.0", ask(EXPECT, LENGTH, first=b"POST /a HTTP/1.0"), b"hello"),
    ("9110-10.1.1", "another expectation", ask(b"Expect: the-best", LENGTH, first=POST), b"hello"),
    ("9110-10.1.1", "100-continue with more", ask(b"Expect: 100-continue-x", LENGTH, first=POST), b"hello"),
    ("9110-10.1.1", "a part of the body has come", ask(EXPECT, LENGTH, first=POST, body=b"he"), b"llo"),
]


@pytest.mark.parametrize(("_section", "_name", "head", "rest"), NO_CONTINUE, ids=row_ids(NO_CONTINUE))
def test_no_100(server: Server, _section: str, _name: str, head: bytes, rest: bytes) -> None:
    with Client(server) as client:
        client.send(head)
        assert client.is_silent()
        assert seen_by(client.ask(rest)).body == "hello"


@pytest.mark.parametrize("lines", [[EXPECT], [EXPECT, b"Content-Length: 0"]])
def test_no_100_without_a_body(server: Server, lines: list[bytes]) -> None:
    with Client(server) as client:
        assert seen_by(client.ask(ask(*lines, first=POST))).body == ""


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([b"Content-Length: x"], 400),
        ([LENGTH, b"Transfer-Encoding: chunked"], 400),
        ([b"Transfer-Encoding: gzip, chunked"], 501),
        ([b"Content-Length: 99999999999999"], 413),
        ([LENGTH, b"A : b"], 400),
    ],
)
def test_the_final_status_comes_instead_of_100(server: Server, lines: list[bytes], status: int) -> None:
    refused(server, ask(EXPECT, *lines, first=POST), status)


def test_the_100_of_a_second_request_comes_behind_the_first_answer(server: Server) -> None:
    with Client(server) as client:
        client.send(request(target="/1") + ask(EXPECT, LENGTH, first=b"POST /2 HTTP/1.1"))
        assert seen_by(client.read()).path == "/1"
        assert seen_by(read_after_100(client, b"hello")).path == "/2"


def test_the_100_is_sent_once(server: Server) -> None:
    with Client(server) as client:
        client.send_split(ask(EXPECT, LENGTH, first=POST), range(20, 60, 10))
        assert client.read().status == 100
        client.send(b"he")
        assert client.is_silent()
        assert seen_by(client.ask(b"llo")).body == "hello"


# --- HTTP/1.0, HEAD, statuses without a body -------------------------------------------------------------------------


def by_path(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """/<status>/<length or ->: that status and, in pieces, a body of ten bytes."""
    _, status, length = environ["PATH_INFO"].split("/")
    start_response(f"{status} X", [] if length == "-" else [("Content-Length", length)])
    return iter([b"01234", b"56789"])


@pytest.fixture(scope="module")
def statuses(adapt: Callable[[WSGIApplication], Application]) -> Iterator[Server]:
    with Server(adapt(by_path)) as server:
        yield server


def test_a_1_0_client_gets_no_chunks(statuses: Server) -> None:
    """RFC 9112 6.1: the body ends with the connection, also when keep-alive was asked for."""
    for lines in ([], [b"Connection: keep-alive"]):
        with Client(statuses) as client:
            response = client.ask(ask(*lines, first=b"GET /200/- HTTP/1.0"))
            assert (response.body, response.framing) == (b"0123456789", "close")
            assert response.closes


def test_a_1_0_client_may_keep_a_connection_whose_body_has_a_length(statuses: Server) -> None:
    with Client(statuses) as client:
        for _ in range(3):
            response = client.ask(ask(b"Connection: keep-alive", first=b"GET /200/10 HTTP/1.0"))
            assert (response.body, response.get("Connection")) == (b"0123456789", "keep-alive")


# Method, status, length told by the application; then the length and coding on the wire.
BODILESS = [
    ("HEAD", 200, "10", "10", None),
    ("HEAD", 200, "-", None, None),
    ("HEAD", 404, "10", "10", None),
    ("GET", 204, "-", None, None),
    ("GET", 204, "0", None, None),
    ("GET", 304, "-", None, None),
    ("GET", 304, "10", "10", None),
    ("HEAD", 304, "10", "10", None),
    ("HEAD", 204, "-", None, None),
    ("GET", 205, "-", "0", None),
]


@pytest.mark.parametrize(("method", "status", "told", "length", "coding"), BODILESS)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_no_body_byte_where_none_may_be(
    statuses: Server, method: str, status: int, told: str, length: str | None, coding: str | None, version: str
) -> None:
    """RFC 9110 8.6, 9.3.2, 15.3.5, 15.3.6 and 15.4.5; the next answer begins where this one ends."""
    data = f"{method} /{status}/{told} HTTP/{version}\r\nHost: h\r\nConnection: keep-alive\r\n\r\n".encode()
    with Client(statuses) as client:
        response = client.ask(data, head=method == "HEAD")
        assert response.status == status
        assert (response.get("Content-Length"), response.get("Transfer-Encoding")) == (length, coding) or (
            version == "1.1" and method == "HEAD" and told == "-" and response.get("Transfer-Encoding") == "chunked"
        )
        assert response.body == b""
        if not response.closes:
            assert client.ask(request(target="/200/10")).body == b"0123456789"


def test_a_refused_head_gets_no_body(server: Server) -> None:
    """RFC 9110 9.3.2: also when its fields are at fault."""
    for line in (b"A : b", b"Host: again", b"Content-Length: x", b"A" * 300 + b": b"):
        with Client(server) as client:
            client.send(ask(line, first=b"HEAD / HTTP/1.1"))
            response = client.read(head=True)
            assert response.status in (400, 431)
            assert int(response.get("Content-Length") or 0) > 0
            assert client.read_all() == b""


# --- half-close ------------------------------------------------------------------------------------------------------


def test_requests_before_a_half_close_are_answered(server: Server) -> None:
    with Client(server) as client:
        client.send(request(target="/1") + request("POST", "/2", body=b"abc"))
        client.shut()
        assert seen_by(client.read()).path == "/1"
        assert seen_by(client.read()).path == "/2"
        assert client.is_closed()


def test_a_slow_answer_reaches_a_client_that_has_closed_its_side(serve: Callable[..., Server]) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])
        for _ in range(5):
            yield b"y" * 300_000

    with Client(serve(app), receive_buffer=4096) as client:
        client.send(request())
        client.shut()
        time.sleep(0.1)
        assert client.read().body == b"y" * 1_500_000
        assert client.is_closed()


@pytest.mark.parametrize(
    "data",
    [b"G", b"GET / HT", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: h\r\n", ask(LENGTH, first=POST, body=b"hell")],
)
def test_a_partial_request_before_a_half_close_is_not_answered(server: Server, data: bytes) -> None:
    with Client(server) as client:
        client.send(request(target="/whole") + data)
        client.shut()
        assert seen_by(client.read()).path == "/whole"
        assert client.is_closed()


def test_nothing_at_all(server: Server) -> None:
    with Client(server) as client:
        client.shut()
        assert client.read_all() == b""


# --- percent decoding ------------------------------------------------------------------------------------------------

PATHS: list[tuple[str, str, bytes, str]] = [
    ("3986-2.1", "escapes are decoded once", b"/a%20b%2525", "/a b%25"),
    ("3986-2.1", "both cases of digits", b"/%c3%A9", "/\xc3\xa9"),
    ("3986-2.1", "plus stays", b"/a+b", "/a+b"),
    ("3986-2.1", "a slash is decoded", b"/a%2Fb", "/a/b"),
    ("3986-2.1", "NUL does not end the path", b"/a%00b", "/a\0b"),
    ("3986-2.1", "CR and LF are data", b"/a%0d%0ab", "/a\r\nb"),
    ("3986-2.1", "an escape of nothing stays", b"/a%", "/a%"),
    ("3986-2.1", "half an escape stays", b"/a%4", "/a%4"),
    ("3986-2.1", "no hexadecimal digits stay", b"/a%zz%4g", "/a%zz%4g"),
    ("3986-2.1", "escape in an escape stays", b"/a%%34%31", "/a%41"),
    ("3333", "invalid UTF-8 is latin-1", b"/%ff%fe", "/\xff\xfe"),
    ("3986-6.2", "dots behind escapes stay", b"/a/%2e%2e/b", "/a/../b"),
    ("3986-3.4", "a question mark of the path", b"/a%3Fb?c", "/a?b"),
    ("3986-3.5", "a number sign of the path", b"/a%23b", "/a#b"),
]


@pytest.mark.parametrize(("_section", "_name", "target", "path"), PATHS, ids=row_ids(PATHS))
def test_path(server: Server, _section: str, _name: str, target: bytes, path: str) -> None:
    for prefix in (b"", b"http://h"):
        _, seen = served(server, ask(first=b"GET " + prefix + target + b" HTTP/1.1"))
        assert seen.path == path


def test_the_query_is_not_touched(server: Server) -> None:
    _, seen = served(server, ask(first=b"GET /?a=%zz&b=%00&c=%26+%C3%A9&d=?/ HTTP/1.1"))
    assert seen.environ["QUERY_STRING"] == "a=%zz&b=%00&c=%26+%C3%A9&d=?/"


def test_answers_are_json_of_what_was_seen(server: Server) -> None:
    """The tables rest on it."""
    with Client(server) as client:
        environ, body = json.loads(client.ask(request("POST", "/x", body=b"y")).body)
    assert (environ["PATH_INFO"], environ["REQUEST_METHOD"], body) == ("/x", "POST", "y")
