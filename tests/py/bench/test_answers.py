"""A server is timed only when it answers right: what is wrong is refused, and said."""

import socket
from dataclasses import replace

import pytest
from answers import WrongError, check
from asked import Scenario
from entrants import Entrant
from scenarios import BY_NAME
from support.benchload import Scripted

SERVER = Entrant(name="scripted", about="", command=())
GOOD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!"


def ask(scripted: Scripted, scenario: Scenario, *answers: bytes, entrant: Entrant = SERVER) -> bytes:
    """Of a server with these answers, the last of which it repeats; an empty one ends the connection."""
    left = list(answers)

    def handler(sock: socket.socket) -> None:
        while received := sock.recv(1 << 20):
            count = max(1, received.count(b"HTTP/1.1\r\n"))
            for _ in range(count):
                sock.sendall(left.pop(0) if len(left) > 1 else left[0])
            if left[0] == b"" or not scenario.load or not scenario.load.keep_alive or entrant.closes:
                return

    return check(scripted(handler), scenario, entrant)


def test_a_right_answer_passes(scripted: Scripted) -> None:
    assert ask(scripted, BY_NAME["hello"], GOOD) == b"Hello, World!"
    assert ask(scripted, BY_NAME["pipelined"], GOOD) == b"Hello, World!"
    assert ask(scripted, BY_NAME["hello"], GOOD.replace(b"plain", b"plain; charset=utf-8")) == b"Hello, World!"


def test_a_chunked_answer_passes(scripted: Scripted) -> None:
    chunked = GOOD.replace(b"Content-Length: 13\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\nd\r\n") + b"\r\n0\r\n\r\n"
    assert ask(scripted, BY_NAME["hello"], chunked) == b"Hello, World!"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (GOOD.replace(b"200", b"404"), "status 404"),
        (GOOD.replace(b"World", b"world"), "body of 13 bytes"),
        (GOOD.replace(b"13", b"12")[:-1], "body of 12 bytes"),
        (GOOD.replace(b"text/plain", b"text/html"), "Content-Type text/html"),
        (GOOD.replace(b"Content-Type: text/plain\r\n", b""), "Content-Type missing"),
        (GOOD.replace(b"text/plain", b"text/plain\r\nConnection: close"), "it closes a connection"),
        (b"SSH-2.0\r\n\r\n", "BadStatusLine"),
        (b"", "RemoteDisconnected"),
    ],
)
def test_a_wrong_answer_is_refused(scripted: Scripted, answer: bytes, why: str) -> None:
    with pytest.raises(WrongError, match=why):
        ask(scripted, BY_NAME["hello"], answer)


def test_an_answer_that_is_right_only_once_is_refused(scripted: Scripted) -> None:
    with pytest.raises(WrongError, match="body"):
        ask(scripted, BY_NAME["hello"], GOOD, GOOD.replace(b"!", b"?"))


def test_a_connection_per_request_must_be_closed(scripted: Scripted) -> None:
    closing = GOOD.replace(b"text/plain", b"text/plain\r\nConnection: close")
    assert ask(scripted, BY_NAME["close"], closing) == b"Hello, World!"
    with pytest.raises(WrongError, match="keeps a connection"):
        ask(scripted, BY_NAME["close"], closing + b"x")


def test_a_server_that_is_known_to_close_must_say_so(scripted: Scripted) -> None:
    closes = replace(SERVER, closes=True)
    closing = GOOD.replace(b"text/plain", b"text/plain\r\nConnection: close")
    assert ask(scripted, BY_NAME["hello"], closing, entrant=closes) == b"Hello, World!"
    with pytest.raises(WrongError):
        ask(scripted, BY_NAME["hello"], GOOD, entrant=closes)


def json_answer(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


def test_json_is_compared_by_its_value(scripted: Scripted) -> None:
    assert ask(scripted, BY_NAME["json"], json_answer(b'{ "message" : "Hello, World!" }'))
    with pytest.raises(WrongError, match="body"):
        ask(scripted, BY_NAME["json"], json_answer(b'{"message": "Hello"}'))
    with pytest.raises(WrongError, match="no JSON"):
        ask(scripted, BY_NAME["json"], json_answer(b"{"))


def test_what_does_not_validate_is_refused(scripted: Scripted) -> None:
    good = json_answer(b'{"name": "Widget", "total": 37.5, "tags": 2}')
    assert ask(scripted, BY_NAME["validated"], good, good, json_answer(b"{}", b"422 Unprocessable Content"))
    with pytest.raises(WrongError, match="status 200 for a body that is not valid"):
        ask(scripted, BY_NAME["validated"], good)


def test_the_floor_need_not_validate(scripted: Scripted) -> None:
    good = json_answer(b'{"name": "Widget", "total": 37.5, "tags": 2}')
    assert ask(scripted, BY_NAME["validated"], good, entrant=replace(SERVER, interface="limit"))


def test_a_page_must_have_its_pieces(scripted: Scripted) -> None:
    page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%b"
    right, wrong = b"<li>Item 21 <li>Item 40", b"<li>Item 21"
    assert ask(scripted, BY_NAME["flask"], page % (len(right), right)) == right
    with pytest.raises(WrongError, match="body"):
        ask(scripted, BY_NAME["flask"], page % (len(wrong), wrong))


def test_nobody_there_is_wrong(scripted: Scripted) -> None:
    with pytest.raises(WrongError, match="ConnectionRefused"):
        check(1, BY_NAME["hello"], SERVER)
