"""Clocks: slow heads, slow bodies, idle connections, readers that do not read."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import pytest
from support.client import Client, request
from support.echo import Echo, check_refusal, seen_by

from velocem import Server
from velocem.types import StartResponse, WSGIEnvironment

HEAD = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n"
CHUNKED = b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


@contextmanager
def takes(least: float, most: float) -> Iterator[None]:
    start = time.monotonic()
    yield
    assert least <= time.monotonic() - start < most


@contextmanager
def dripping(client: Client, piece: bytes, pause: float = 0.05) -> Iterator[None]:
    """Sends the piece again and again until the block ends or the server has had enough."""
    over = threading.Event()

    def drip() -> None:
        while not over.wait(pause):
            try:
                client.send(piece)
            except OSError:
                return

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def closed_without_a_word(client: Client) -> bool:
    return client.read_all() == b""


def wait_until(condition: Callable[[], bool], seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("part", [b"G", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: h\r\nA: b"])
def test_a_head_that_does_not_end_is_408(serve: Callable[..., Server], part: bytes) -> None:
    """RFC 9110 15.5.9."""
    server = serve(Echo(), timeout_header=0.3)
    with Client(server) as client, takes(0.25, 5):
        client.send(part)
        check_refusal(client, 408, part)


def test_a_head_has_one_time_however_it_drips(serve: Callable[..., Server]) -> None:
    server = serve(Echo(), timeout_header=0.4)
    with Client(server) as client, takes(0.35, 5):
        client.send(b"GET / HTTP/1.1\r\nHost: h\r\nA: ")
        with dripping(client, b"b"):
            check_refusal(client, 408, b"")


def test_a_second_head_has_its_own_time(serve: Callable[..., Server]) -> None:
    server = serve(Echo(), timeout_header=0.4)
    with Client(server) as client:
        for _ in range(3):
            client.send(request()[:10])
            time.sleep(0.25)
            assert client.ask(request()[10:]).status == 200
        client.send(request()[:10])
        check_refusal(client, 408, b"")


def test_a_head_behind_a_pipelined_request_is_408_too(serve: Callable[..., Server]) -> None:
    server = serve(Echo(), timeout_header=0.3)
    with Client(server) as client:
        client.send(request(target="/1") + b"GET /2 HT")
        assert seen_by(client.read()).path == "/1"
        check_refusal(client, 408, b"")


def test_a_client_that_says_nothing_is_closed_without_a_word(serve: Callable[..., Server]) -> None:
    server = serve(Echo(), timeout_header=0.3)
    with Client(server) as client, takes(0.25, 5):
        assert closed_without_a_word(client)


def test_an_idle_connection_is_closed_without_a_word(serve: Callable[..., Server]) -> None:
    """RFC 9112 9.5."""
    server = serve(Echo(), timeout_keep_alive=0.3, timeout_header=5)
    with Client(server) as client:
        for _ in range(3):
            assert client.ask(request()).status == 200
            time.sleep(0.15)
        assert client.ask(request()).status == 200
        with takes(0.25, 5):
            assert closed_without_a_word(client)


def test_empty_lines_do_not_make_a_request(serve: Callable[..., Server]) -> None:
    """RFC 9112 2.2: a client that ends its body with one more CRLF is idle after it."""
    server = serve(Echo(), timeout_keep_alive=0.3, timeout_header=0.3)
    with Client(server) as client:
        assert client.ask(request("POST", "/", body=b"x") + b"\r\n").status == 200
        assert closed_without_a_word(client)


def test_a_body_that_stops_is_408(serve: Callable[..., Server]) -> None:
    server = serve(Echo(), timeout_body=0.3)
    for data in (
        HEAD,
        HEAD + b"x" * 50,
        CHUNKED,
        CHUNKED + b"5\r\nhel",
        CHUNKED + b"5\r\nhello\r\n0\r\n",
        CHUNKED + b"5;a",
    ):
        with Client(server) as client, takes(0.25, 5):
            client.send(data)
            check_refusal(client, 408, data)
    wait_until(lambda: server.stats()["open"] == 0)


def test_a_body_that_goes_on_is_not(serve: Callable[..., Server]) -> None:
    server = serve(Echo(), timeout_body=0.3, timeout_header=0.3, timeout_keep_alive=0.3)
    with Client(server) as client:
        client.send_split(HEAD + b"x" * 100, range(len(HEAD), len(HEAD) + 100, 20), pause=0.15)
        assert seen_by(client.read()).body == "x" * 100


def test_framing_without_data_does_not_go_on(serve: Callable[..., Server]) -> None:
    """A body of chunk extensions or trailers and no data holds nobody."""
    server = serve(Echo(), timeout_body=0.4)
    for start in (CHUNKED + b"5;a", CHUNKED + b"0\r\nA: b"):
        with Client(server) as client, takes(0.35, 5):
            client.send(start)
            with dripping(client, b"c"):
                check_refusal(client, 408, b"")


def test_a_body_below_the_least_rate_is_408(serve: Callable[..., Server]) -> None:
    """Judged after five seconds: a drip that never pauses is too slow all the same."""
    server = serve(Echo(), min_body_rate=200)
    with Client(server) as client, takes(4.5, 10):
        client.send(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n")
        with dripping(client, b"x", pause=0.05):
            check_refusal(client, 408, b"")


def endless(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [])
    while True:
        yield b"z" * 60_000


def test_a_reader_below_the_least_rate_is_cut_off(serve: Callable[..., Server]) -> None:
    """Judged after five seconds: one that takes a little now and then would hold its connection for ever."""
    server = serve(endless, timeout_write=1, min_write_rate=1 << 20)
    with Client(server, receive_buffer=4096) as client, takes(4.5, 12):
        client.send(request())
        client.fill()
        while server.stats()["open"]:
            client.sock.recv(2000)
            time.sleep(0.05)
    assert server.stats()["aborted"] == 1


def test_a_reader_that_takes_nothing_is_cut_off(serve: Callable[..., Server]) -> None:
    server = serve(endless, timeout_write=0.4)
    with Client(server, receive_buffer=4096) as client:
        client.send(request())
        time.sleep(0.2)
        assert server.stats()["open"] == 1
        wait_until(lambda: server.stats()["open"] == 0)
        assert server.stats()["aborted"] == 1


def test_a_reader_that_takes_little_is_not(serve: Callable[..., Server]) -> None:
    """Less than would make the kernel call the socket writable again, but more than nothing."""
    server = serve(endless, timeout_write=0.6)
    # A fixed size: while the kernel grows its buffer it may withhold acknowledgements for longer than that.
    with Client(server, receive_buffer=131_072) as client:
        client.send(request())
        time.sleep(0.2)
        for _ in range(15):
            time.sleep(0.15)
            client.take(65_536)
        assert server.stats()["open"] == 1
        wait_until(lambda: server.stats()["open"] == 0)


def test_slow_clients_do_not_hold_up_others(serve: Callable[..., Server]) -> None:
    """Slow loris: 300 connections drip heads and bodies while another one asks."""
    server = serve(Echo(), timeout_header=2, timeout_body=2)
    slow = [Client(server) for _ in range(300)]
    worst = 0.0
    try:
        for n, client in enumerate(slow):
            client.send(HEAD if n % 2 else HEAD[:30])
        with Client(server) as fast:
            for turn in range(10):
                for client in slow:
                    client.send(b"x" if turn else b"0")
                start = time.monotonic()
                assert fast.ask(request()).status == 200
                worst = max(worst, time.monotonic() - start)
        assert worst < 1
        for client in slow:
            assert client.read().status == 408
        wait_until(lambda: server.stats()["open"] == 0)
    finally:
        for client in slow:
            client.close()


def test_a_refused_client_that_does_not_close_is_closed(serve: Callable[..., Server]) -> None:
    """It may go on sending for two seconds, and is then gone, whatever it sends."""
    server = serve(Echo())
    with Client(server) as client, takes(1.5, 8):
        client.send(b"BAD\r\n\r\n")
        check_refusal(client, 400, b"")
        with dripping(client, b"more"):
            wait_until(lambda: server.stats()["open"] == 0)
