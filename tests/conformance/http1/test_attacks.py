"""Known ways to make two servers see different requests in the same bytes, and to hold one server busy."""

import threading
import time
from collections.abc import Callable, Iterable

import pytest
from support.client import Client, request
from support.echo import SMUGGLED, Echo, row_ids

from velocem import Server
from velocem.types import StartResponse, WSGIEnvironment


def post(*lines: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join([b"POST /a HTTP/1.1", b"Host: h", *lines, b"", b""]) + body


CHUNKED = b"Transfer-Encoding: chunked"
INSIDE = b"Content-Length: %d" % len(SMUGGLED)

# Section, name, bytes, the statuses that come back, the paths that the application saw; then the connection is closed
# or waits for more.
DESYNC: list[tuple[str, str, bytes, list[int], list[str]]] = [
    ("9112-6.3", "CL.0: the request in a body is not served", post(INSIDE, body=SMUGGLED), [200], ["/a"]),
    ("9112-6.3", "GET with a body", post(INSIDE, body=SMUGGLED).replace(b"POST", b"GET"), [200], ["/a"]),
    ("9112-7.1", "TE.0", post(CHUNKED, body=b"%x\r\n" % len(SMUGGLED) + SMUGGLED + b"\r\n0\r\n\r\n"), [200], ["/a"]),
    ("9112-6.3", "CL.TE", post(b"Content-Length: 4", CHUNKED, body=b"0\r\n\r\n" + SMUGGLED), [400], []),
    ("9112-6.3", "TE.CL", post(CHUNKED, b"Content-Length: 4", body=b"2c\r\n" + SMUGGLED + b"\r\n0\r\n\r\n"), [400], []),
    ("9112-6.3", "0.CL by a folded name", post(b"Content-Length:", b" 44", body=SMUGGLED), [400], []),
    ("9112-6.3", "0.CL by a space", post(b"Content-Length : 44", body=SMUGGLED), [400], []),
    ("9112-6.3", "0.CL by a space in front", post(b" Content-Length: 44", body=SMUGGLED), [400], []),
    ("9112-6.3", "0.CL by VT", post(b"Content-Length:\x0b44", body=SMUGGLED), [400], []),
    ("9112-6.3", "0.CL by NUL", post(b"Content-Length\0: 44", body=SMUGGLED), [400], []),
    ("9112-6.3", "0.CL by LF", post(b"A: b\nContent-Length: 44", body=SMUGGLED), [400], []),
    ("9112-6.3", "0.CL by CR", post(b"A: b\rContent-Length: 44", body=SMUGGLED), [400], []),
    ("9112-6.1", "TE.TE by a tab", post(b"Transfer-Encoding:\tchunked", b"Transfer-encoding: x", body=b"0\r\n\r\n"), [400], []),
    ("9112-6.1", "TE by another name", post(b"Transfer-Encoding\x00: chunked", body=b"0\r\n\r\n"), [400], []),
    ("9112-6.1", "TE by a quote", post(b'Transfer-Encoding: "chunked"', body=b"0\r\n\r\n"), [400], []),
    ("9112-6.1", "TE in 1.0", post(CHUNKED, body=b"0\r\n\r\n").replace(b"1.1", b"1.0"), [400], []),
    ("9112-6.1", "TE with a length in 1.0", post(CHUNKED, INSIDE, body=SMUGGLED).replace(b"1.1", b"1.0"), [400], []),
    ("9112-7.1", "a size of 2^64", post(CHUNKED, body=b"10000000000000000\r\n" + SMUGGLED), [400], []),
    ("9112-7.1", "a size of 2^64+5", post(CHUNKED, body=b"10000000000000005\r\nhello\r\n0\r\n\r\n"), [400], []),
    ("9112-7.1", "a size of 2^63", post(CHUNKED, body=b"8000000000000000\r\n" + SMUGGLED), [413], []),
    ("9110-8.6", "a length of 2^64+5", post(b"Content-Length: 18446744073709551621", body=b"hello" + SMUGGLED), [400], []),
    ("9110-8.6", "a length of 2^32+5", post(b"Content-Length: 4294967301", body=b"hello" + SMUGGLED), [413], []),
    ("9112-7.1.2", "a request in the trailers", post(CHUNKED, body=b"0\r\n" + SMUGGLED), [400], []),
    ("9112-7.1", "two ends", post(CHUNKED, body=b"0\r\n\r\n0\r\n\r\n" + SMUGGLED), [200, 400], ["/a"]),
    ("9112-7.1", "an early end", post(CHUNKED, body=b"5\r\nhello\r\n0\r\n\r\n\0" + SMUGGLED), [200, 400], ["/a"]),
    ("9112-6.3", "a body longer than its length", post(b"Content-Length: 1", body=b"x\0" + SMUGGLED), [200, 400], ["/a"]),
    ("9110-10.1.1", "Expect and a body at once", post(b"Expect: 100-continue", INSIDE, body=SMUGGLED), [200], ["/a"]),
    ("9110-10.1.1", "Expect, a length of 0", post(b"Expect: 100-continue", b"Content-Length: 0", body=b"\0"), [200, 400], ["/a"]),
    ("9110-10.1.1", "odd Expect", post(b"Expect: y 100-continue", INSIDE, body=SMUGGLED), [200], ["/a"]),
    ("9110-10.1.1", "folded Expect", post(b"Expect:", b" 100-continue", INSIDE, body=SMUGGLED), [400], []),
    ("9110-7.8", "an upgrade with a body", post(b"Connection: upgrade", b"Upgrade: x", INSIDE, body=SMUGGLED), [200], ["/a"]),
    ("9110-7.6.1", "Connection names Content-Length", post(b"Connection: content-length", INSIDE, body=SMUGGLED), [200], ["/a"]),
    ("9110-7.6.1", "Connection names Transfer-Encoding", post(b"Connection: transfer-encoding", CHUNKED, body=b"0\r\n\r\n"), [200], ["/a"]),
    ("9112-9.3", "bytes behind close", post(b"Connection: close", b"Content-Length: 0", body=SMUGGLED), [200], ["/a"]),
    ("9112-9.3", "a request behind 1.0", b"GET /a HTTP/1.0\r\n\r\n" + SMUGGLED, [200], ["/a"]),
    ("9110-9.3.6", "bytes behind CONNECT", b"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n" + SMUGGLED, [501], []),
    ("9112-3", "a request in the target", b"GET /a HTTP/1.1\rGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n", [400], []),
    ("9112-5", "a request in a value", post(b"A: b\n\n" + SMUGGLED), [400], []),
    ("9112-3", "HTTP/0.9 in between", request(target="/a") + b"GET /smuggled\r\n\r\n", [200, 400], ["/a"]),
    ("9112-2.2", "CR in front of a second request", request(target="/a") + b"\r" + SMUGGLED, [200, 400], ["/a"]),
    ("9112-2.2", "space in front of a second request", request(target="/a") + b" " + SMUGGLED, [200, 400], ["/a"]),
]  # fmt: skip


@pytest.mark.parametrize(("_section", "_name", "data", "statuses", "paths"), DESYNC, ids=row_ids(DESYNC))
def test_no_second_meaning(
    serve: Callable[..., Server], _section: str, _name: str, data: bytes, statuses: list[int], paths: list[str]
) -> None:
    """Whole, and in two halves that arrive one after the other: nothing but these answers, and then the end."""
    for at in (len(data), len(data) // 2, len(data) - 1):
        echo = Echo()
        server = serve(echo)
        with Client(server) as client:
            client.send_split(data, [at], pause=0.002)
            client.shut()
            for status in statuses:
                assert client.read().status == status
            assert client.read_all() == b""
        assert echo.paths() == paths


def large(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """300 000 bytes in pieces, of which no two are equal."""
    start_response("200 OK", [("Content-Length", "300000")])
    for n in range(300):
        yield b"%010d" % n * 100


def test_a_reader_of_single_bytes(serve: Callable[..., Server]) -> None:
    with Client(serve(large), receive_buffer=1024) as client:
        client.send(request())
        found = bytearray()
        while found.find(b"\r\n\r\n") < 0 or len(found) < found.find(b"\r\n\r\n") + 4 + 300_000:
            piece = client.sock.recv(1)
            assert piece
            found += piece
    body = bytes(found[found.find(b"\r\n\r\n") + 4 :])
    assert body == b"".join(b"%010d" % n * 100 for n in range(300))


def test_a_flood_of_pipelined_requests_leaves_others_their_turn(serve: Callable[..., Server]) -> None:
    """One connection sends as fast as it can; another one asks now and then."""
    server = serve(Echo())
    over = threading.Event()
    taken = 0

    def flood() -> None:
        nonlocal taken
        train = b"GET / HTTP/1.1\r\nHost:\r\n\r\n" * 5000
        with Client(server) as client:
            reader = threading.Thread(target=drain, args=(client,))
            reader.start()
            while not over.is_set():
                client.send(train)
                taken += 5000
            client.shut()
            reader.join()

    def drain(client: Client) -> None:
        while client.sock.recv(1 << 20):
            pass

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        with Client(server) as client:
            waits = []
            for _ in range(20):
                start = time.monotonic()
                assert client.ask(request()).status == 200
                waits.append(time.monotonic() - start)
                time.sleep(0.02)
    finally:
        over.set()
        thread.join()
    assert taken >= 10_000
    assert sorted(waits)[10] < 0.5


def test_a_flood_of_connections_leaves_others_their_turn(serve: Callable[..., Server]) -> None:
    server = serve(Echo())
    over = threading.Event()

    def flood() -> None:
        while not over.is_set():
            with Client(server) as client:
                client.send(b"GET")
                client.reset()

    threads = [threading.Thread(target=flood) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        with Client(server) as client:
            start = time.monotonic()
            for _ in range(50):
                assert client.ask(request()).status == 200
            assert time.monotonic() - start < 10
    finally:
        over.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: h\r\n" + b"A:\r\n" * 99 + b"A",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 50_000,
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"a;" * 8000 + b"a",
        b"GET /" + b"a" * 8000,
        b"GET / HTTP/1.1\r\nHost: h\r\nA: " + b"b" * 8000,
    ],
    ids=["fields", "chunks", "extensions", "target", "value"],
)
def test_work_grows_with_the_bytes_and_not_their_square(serve: Callable[..., Server], data: bytes) -> None:
    """A part that grows byte by byte is not read from its start again: 8 000 times 8 000 bytes would take long."""
    server = serve(Echo())
    with Client(server) as client:
        start = time.process_time()
        client.send_split(data[:16_000], range(1, min(len(data), 16_000)), pause=0)
        client.send(data[16_000:])
        time.sleep(0.05)
        assert time.process_time() - start < 3
        assert server.stats()["open"] == 1
