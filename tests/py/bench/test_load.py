"""The load generator against the floor, against Velocem, and against servers that answer wrong."""

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from support.benchload import Handler, Programs, Scripted, free_port

import velocem

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
BODY = b"Hello, World!"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n" + BODY


def answer_all(answer: bytes, request: bytes = GET) -> Handler:
    """Answers every whole request."""

    def handler(sock: socket.socket) -> None:
        received = b""
        while data := sock.recv(1 << 16):
            received += data
            count, received = len(received) // len(request), received[len(received) // len(request) * len(request) :]
            sock.sendall(answer * count)

    return handler


def timed(result: dict[str, Any]) -> int:
    return sum(count for _, count in result["latency"])


def test_a_closed_loop_counts_what_came(programs: Programs) -> None:
    with programs.limit("--body", programs.file("body", BODY)) as (port, pid):
        result = programs.load(port, GET, "--watch", pid, "--weigh", body=BODY)
    assert result["complete"]
    assert not result["errors"]
    assert result["answers"] == result["statuses"]["200"] == timed(result) > 64
    assert result["seconds"] > 0.2
    assert result["server"] > 0
    assert result["weight"] > 1 << 16
    assert result["client"] > 0
    # What was asked before the counting began, and what is not answered when it ends, is at most one each.
    assert abs(result["sent"] / len(GET) - result["answers"]) <= 64


def test_threads_share_the_connections(programs: Programs) -> None:
    with programs.limit("--body", programs.file("body", BODY)) as (port, _):
        result = programs.load(port, GET, "--threads", 3, "--connections", 7, body=BODY)
    assert result["complete"]
    assert not result["errors"]
    assert result["answers"] == timed(result) > 0


def test_a_train_is_answered_in_order(programs: Programs) -> None:
    options = ("--request-size", len(GET), "--body", programs.file("body", BODY))
    with programs.limit(*options) as (port, _):
        result = programs.load(port, GET, "--together", 16, "--connections", 4, body=BODY)
    assert not result["errors"]
    assert result["answers"] > 16
    assert result["answers"] % 16 == 0 or result["answers"] > 64


def test_a_connection_per_request(programs: Programs) -> None:
    with programs.limit("--close", "--body", programs.file("body", BODY)) as (port, _):
        result = programs.load(port, GET, "--closes", "--connections", 8, body=BODY)
    assert result["complete"]
    assert not result["errors"]
    assert result["opened"] > 8
    assert abs(result["opened"] - result["answers"]) <= 8


def test_an_idle_crowd_rests(programs: Programs) -> None:
    with programs.limit("--body", programs.file("body", BODY)) as (port, _):
        result = programs.load(port, GET, "--idle", 500, "--connections", 2, body=BODY)
    assert result["complete"]
    assert not result["errors"]


def test_a_crowd_that_is_sent_away_is_noticed(programs: Programs, scripted: Scripted) -> None:
    count = threading.Semaphore(10)

    def handler(sock: socket.socket) -> None:
        if count.acquire(blocking=False):  # the active ones, which come first
            answer_all(OK)(sock)
        elif sock.recv(1000):
            sock.sendall(OK)
            time.sleep(0.05)

    result = programs.load(scripted(handler), GET, "--idle", 20, "--connections", 10, body=BODY)
    assert result["errors"]["idle"] == 20


@pytest.mark.parametrize("size", [125, 126, 70_000])
def test_a_websocket_echo(programs: Programs, size: int) -> None:
    frame = size + (6 if size < 126 else 8 if size < 1 << 16 else 14)
    message = b"v" * size
    with programs.limit("--websocket", "--request-size", frame, "--body", programs.file("body", message)) as (port, _):
        result = programs.load(port, message, "--websocket", "--connections", 4)
    assert result["complete"]
    assert not result["errors"]
    assert result["answers"] > 4


def test_a_raw_echo(programs: Programs) -> None:
    with programs.limit("--echo") as (port, _):
        result = programs.load(port, b"v" * 100_000, "--echo", "--connections", 4)
    assert result["complete"]
    assert not result["errors"]
    assert result["received"] >= 100_000 * (result["answers"] - 4)
    assert result["answers"] > 4


def test_an_open_loop_keeps_its_rate(programs: Programs) -> None:
    with programs.limit("--body", programs.file("body", BODY)) as (port, _):
        result = programs.load(port, GET, "--rate", 1000, "--connections", 8, body=BODY)
    assert not result["errors"]
    assert abs(timed(result) - 300) <= 1


def test_an_open_loop_does_not_hide_a_stall(programs: Programs, scripted: Scripted) -> None:
    """Requests that were due while the server stood still count from when they were due, asked or not."""
    answered = 0

    def handler(sock: socket.socket) -> None:
        nonlocal answered
        while sock.recv(1000):
            answered += 1
            if answered == 50:
                time.sleep(0.4)
            sock.sendall(OK)

    result = programs.load(scripted(handler), GET, "--rate", 200, "--connections", 1, "--time", 1, body=BODY)
    late = sum(count for value, count in result["latency"] if value > 100e6)
    assert abs(timed(result) - 200) <= 1
    assert late >= 50  # of 200 a second, those of 0.3 s


def test_what_an_open_loop_never_had_answered_counts_with_its_age(programs: Programs, scripted: Scripted) -> None:
    def handler(sock: socket.socket) -> None:
        if sock.recv(1000):
            sock.sendall(OK)
            while sock.recv(1000):
                pass

    result = programs.load(scripted(handler), GET, "--rate", 100, "--connections", 2, body=BODY)
    assert result["answers"] == 0
    assert result["unanswered"] == timed(result)
    assert abs(timed(result) - 30) <= 1
    assert min(value for value, _ in result["latency"]) > 1e9


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (OK.replace(b"World", b"world"), "body"),
        (OK.replace(b"13", b"12")[:-1], "body"),
        (OK.replace(b"200", b"500"), "status"),
        (b"220 mail ESMTP\r\n\r\n", "malformed"),
        (OK + b"x", "malformed"),
    ],
)
def test_a_wrong_answer_is_an_error(programs: Programs, scripted: Scripted, answer: bytes, error: str) -> None:
    result = programs.load(scripted(answer_all(answer)), GET, "--connections", 4, body=BODY)
    assert result["errors"][error] > 0


def test_an_answer_that_breaks_off_is_an_error(programs: Programs, scripted: Scripted) -> None:
    count = threading.Semaphore(20)

    def handler(sock: socket.socket) -> None:
        while sock.recv(1000):
            if not count.acquire(blocking=False):
                sock.sendall(OK[:-3])
                return
            sock.sendall(OK)

    result = programs.load(scripted(handler), GET, "--connections", 4, "--time", 5, body=BODY)
    assert result["errors"]["closed"] > 1000  # then it gives up
    assert not result["complete"]


def test_nobody_there(programs: Programs) -> None:
    result = programs.load(free_port(), GET, body=BODY)
    assert not result["complete"]
    assert result["errors"] == {"connect": 1}
    assert result["answers"] == 0


def test_a_server_that_never_answers_tries_the_patience(programs: Programs, scripted: Scripted) -> None:
    def handler(sock: socket.socket) -> None:
        while sock.recv(1000):
            pass

    result = programs.load(scripted(handler), GET, "--patience", 0.3, body=BODY)
    assert not result["complete"]


@pytest.mark.parametrize("chunked", [False, True])
def test_large_bodies_both_ways(programs: Programs, chunked: bool) -> None:
    size = 3 << 20

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read()
        start_response("200 OK", [] if chunked else [("Content-Length", str(len(body)))])
        return [body[: size // 2], body[size // 2 :]]

    body = bytes(range(256)) * (size // 256)
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size
    with velocem.Server(app, limit_body=2 * size) as server:
        port = int(server.url.rpartition(":")[2])
        result = programs.load(port, head + body, "--connections", 2, "--time", 1, body=body)
    assert result["complete"]
    assert not result["errors"]
    assert result["sent"] > size
    assert result["received"] > size


NEWS = velocem.App()


@NEWS.ws("/")
async def listen(ws: velocem.WebSocket[str, str]) -> None:
    ws.subscribe("news")
    async for _ in ws:
        pass


@NEWS.get("/events")
def events() -> velocem.EventStream[str]:
    return NEWS.events("news")


@NEWS.post("/messages")
def publish_message(text: velocem.Body[bytes]) -> str:
    NEWS.publish("news", text.decode())
    return "Hello, World!"


@NEWS.post("/wrong")
def publish_wrong() -> str:
    NEWS.publish("news", "another")
    return "Hello, World!"


@pytest.mark.parametrize(
    ("path", "hears", "heard", "wrong"),
    [
        ("messages", "messages", b"news", False),
        ("messages", "events", b"data: news\n\n", False),
        ("wrong", "messages", b"news", True),
        ("wrong", "events", b"data: news\n\n", True),
    ],
)
def test_a_crowd_hears(programs: Programs, path: str, hears: str, heard: bytes, wrong: bool) -> None:
    request = f"POST /{path} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nnews".encode()
    options = ("--connections", 1, "--idle", 20, "--hears", hears, "--heard", programs.file("heard", heard))
    with velocem.Server(NEWS) as server:
        result = programs.load(int(server.url.rpartition(":")[2]), request, *options, body=BODY)
    if wrong:
        assert result["errors"]["body"] > 0
        return
    assert result["complete"]
    assert not result["errors"]
    assert result["answers"] == timed(result) > 20
    # Of a request that was on its way when the counting began or ended, not everyone is counted.
    assert abs(result["answers"] / 20 - result["statuses"]["200"]) <= 2


@pytest.mark.parametrize("options", [(), ("--port", "0"), ("--port", "1", "--connections", "none"), ("--bad",)])
def test_a_bad_command_line_is_refused(programs: Programs, options: tuple[str, ...]) -> None:
    result = subprocess.run([str(programs.folder / "load"), *options], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "usage: load" in result.stderr
