"""A client that reads slowly, or not at all: its response waits, the others do not."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from support.client import Client, request
from support.wsgi import Serve, Watched

BLOCK = 50_000


class Blocks(Watched):
    """A large body, block by block."""

    def __init__(self, count: int = 400) -> None:
        super().__init__(*[bytes([i % 256]) * BLOCK for i in range(count)])
        self.body = b"".join(bytes([i % 256]) * BLOCK for i in range(count))


def at_rest(result: Blocks) -> int:
    """The blocks taken, once no more are."""
    before, deadline = -1, time.monotonic() + 10
    while before != result.taken and time.monotonic() < deadline:
        before = result.taken
        time.sleep(0.1)
    return before


def app_of(results: dict[str, Any]) -> Any:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        return results.get(environ["PATH_INFO"], [b"small"])

    return app


def test_the_iteration_is_suspended_while_another_client_is_served(serve: Serve) -> None:
    result = Blocks()
    server = serve(app_of({"/slow": result}))
    with Client(server, receive_buffer=4096) as slow, Client(server) as client:
        slow.send(request("GET", "/slow"))
        slow.fill()
        assert client.ask(request()).body == b"small"
        taken = at_rest(result)
        assert taken < 300  # what sockets hold, not more: nothing grows without bound
        time.sleep(0.1)
        for _ in range(20):
            assert client.ask(request()).body == b"small"
        assert result.taken == taken
        assert slow.read().body == result.body
        assert slow.ask(request()).body == b"small"
    assert result.closed == 1


def test_two_slow_readers_take_turns(serve: Serve) -> None:
    one, two = Blocks(), Blocks()
    server = serve(app_of({"/one": one, "/two": two}))
    with Client(server, receive_buffer=4096) as first, Client(server, receive_buffer=4096) as second:
        first.send(request("GET", "/one"))
        second.send(request("GET", "/two"))
        bodies: dict[str, bytes] = {}
        thread = threading.Thread(target=lambda: bodies.update(one=first.read().body))
        thread.start()
        bodies["two"] = second.read().body
        thread.join()
    assert bodies == {"one": one.body, "two": two.body}
    assert (one.closed, two.closed) == (1, 1)


def test_requests_behind_a_slow_response_wait_their_turn(serve: Serve) -> None:
    result = Blocks(100)
    called: list[str] = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        called.append(environ["PATH_INFO"])
        start_response("200 OK", [])
        return result if environ["PATH_INFO"] == "/slow" else [environ["PATH_INFO"].encode()]

    with Client(serve(app), receive_buffer=4096) as client:
        client.send(request("GET", "/slow") + request("GET", "/a") + request("POST", "/b", body=b"body"))
        client.fill()
        time.sleep(0.05)
        assert called == ["/slow"]
        assert client.read().body == result.body
        assert client.read().body == b"/a"
        assert client.read().body == b"/b"


def test_the_request_stays_good_while_it_waits(serve: Serve) -> None:
    """environ and body of a suspended request are not those of the requests that came in between."""
    seen: list[Any] = []

    def slow(environ: dict[str, Any]) -> Iterator[bytes]:
        before = {key: str(value) for key, value in environ.items()}
        for i in range(200):
            yield bytes([i]) * BLOCK
        seen.append(before == {key: str(value) for key, value in environ.items()})
        seen.append(environ["wsgi.input"].read())

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        return slow(environ) if environ["PATH_INFO"] == "/slow" else [b"small"]

    server = serve(app)
    with Client(server, receive_buffer=4096) as client, Client(server) as other:
        client.send(request("POST", "/slow", "X-Own: mine", "Cookie: c", body=b"the body"))
        client.fill()
        for i in range(20):
            other.ask(request("POST", f"/other{i}", f"X-Own: {i}", "Cookie: other", body=b"other body"))
        client.read()
    assert seen == [True, b"the body"]


def test_head_is_remembered_while_the_iteration_waits(serve: Serve) -> None:
    """The method is read again after the suspension, from the request's own memory."""
    result = Watched(*[b""] * 100, b"x")
    with Client(serve(app_of({"/": result}))) as client:
        assert client.ask(request("HEAD"), head=True).body == b""
        assert client.is_silent(0.05)


def test_a_reader_that_stops_is_cut_off(serve: Serve) -> None:
    result = Blocks()
    server = serve(app_of({"/slow": result}), timeout_write=0.3)
    with Client(server, receive_buffer=4096) as client:
        client.send(request("GET", "/slow"))
        client.fill()
        assert result.was_closed.wait(5)
        assert len(client.read_all_of_broken()) < len(result.body)
    assert result.closed == 1


def test_one_that_reads_on_slowly_is_not(serve: Serve) -> None:
    result = Blocks()
    server = serve(app_of({"/slow": result}), timeout_write=1)
    with Client(server) as client:
        client.send(request("GET", "/slow"))
        for _ in range(6):  # the kernel asks for more only when a third of what it holds is gone
            time.sleep(0.3)
            client.pending += client.sock.recv(2_000_000, socket.MSG_WAITALL)
        assert client.read().body == result.body


FAST = r"""
import socket, sys
sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=10)
buffer = bytearray(1 << 20)
for i in range(200):
    size = (1 + i % 6) * (1 << 20) + i * 37123 % (1 << 20)
    sock.sendall(b"GET /?%d HTTP/1.1\r\nHost: a\r\n\r\n" % size)
    got = sock.recv_into(buffer)
    left = size - (got - bytes(buffer[:got]).index(b"\r\n\r\n") - 4)
    while left:
        n = sock.recv_into(buffer, min(left, 1 << 20))
        assert n
        left -= n
"""


def test_a_fast_reader_in_step_with_the_server_is_not_forgotten(serve: Serve) -> None:
    """The kernel may take the rest in the very moment between the last try to send and the wait for room."""

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        size = int(environ["QUERY_STRING"])
        start_response("200 OK", [("Content-Length", str(size))])
        block = b"x" * (1 << 20)
        while size > 0:
            yield block[:size]
            size -= len(block)

    subprocess.run([sys.executable, "-c", FAST, str(serve(app).port)], check=True, timeout=100)
