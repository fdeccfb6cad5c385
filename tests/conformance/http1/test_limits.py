"""Limits set to other values, and told as soon as they are passed (RFC 6585 5, RFC 9110 15.5.14 and 15.5.15)."""

import os
from collections.abc import Callable
from typing import Any

import pytest
from support.client import Client
from support.echo import Echo, check_refusal, refused, seen_by, served

from velocem import Server

# Option, its value, a request that just fits, one that does not, the status of that.
GET = b"GET / HTTP/1.1\r\nHost: h\r\n"
POST = b"POST / HTTP/1.1\r\nHost: h\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


def head_of(size: int) -> bytes:
    fill = size - len(GET) - len(b"\r\n")
    line, rest = 1000, b""
    while fill > 2 * line:
        rest += b"A: " + b"b" * (line - 5) + b"\r\n"
        fill -= line
    return GET + rest + b"A: " + b"b" * (fill - 5) + b"\r\n\r\n"


ROWS: list[tuple[str, Any, bytes, bytes, int]] = [
    ("limit_target", 64, b"GET /" + b"a" * 63 + GET[5:] + b"\r\n", b"GET /" + b"a" * 64 + GET[5:] + b"\r\n", 414),
    (
        "limit_target",
        "16k",
        b"GET /" + b"a" * 16383 + GET[5:] + b"\r\n",
        b"GET /" + b"a" * 16384 + GET[5:] + b"\r\n",
        414,
    ),
    ("limit_head", 256, head_of(256), head_of(257), 431),
    ("limit_head", 4096, head_of(4096), head_of(4097), 431),
    ("limit_fields", 1, GET + b"\r\n", GET + b"A: b\r\n\r\n", 431),
    ("limit_fields", 3, GET + b"A: b\r\n" * 2 + b"\r\n", GET + b"A: b\r\n" * 3 + b"\r\n", 431),
    ("limit_fields", 256, GET + b"A: b\r\n" * 255 + b"\r\n", GET + b"A: b\r\n" * 256 + b"\r\n", 431),
    ("limit_field_size", 64, GET + b"A: " + b"b" * 61 + b"\r\n\r\n", GET + b"A: " + b"b" * 62 + b"\r\n\r\n", 431),
    ("limit_body", 0, POST + b"Content-Length: 0\r\n\r\n", POST + b"Content-Length: 1\r\n\r\nx", 413),
    ("limit_body", 10, POST + b"Content-Length: 10\r\n\r\n0123456789", POST + b"Content-Length: 11\r\n\r\n", 413),
    ("limit_body", 10, CHUNKED + b"9\r\n012345678\r\n1\r\nx\r\n0\r\n\r\n", CHUNKED + b"9\r\n012345678\r\n2\r\n", 413),
    ("limit_body", 10, CHUNKED + b"a\r\n0123456789\r\n0\r\n\r\n", CHUNKED + b"b;x\r\n", 413),
    (
        "limit_trailers",
        20,
        CHUNKED + b"0\r\nA: b\r\nC: d\r\nE: 012345\r\n\r\n",
        CHUNKED + b"0\r\nA: b\r\nC: d\r\nE: 0123456\r\n\r\n",
        431,
    ),
    ("limit_trailers", 0, CHUNKED + b"0\r\n\r\n", CHUNKED + b"0\r\nA: b\r\n\r\n", 431),
    ("limit_chunk_ext", 4, CHUNKED + b"1;abc\r\nx\r\n0\r\n\r\n", CHUNKED + b"1;abcd\r\nx\r\n0\r\n\r\n", 400),
    ("limit_chunk_ext", 4, CHUNKED + b"1;a\r\nx\r\n0;a\r\n\r\n", CHUNKED + b"1;a\r\nx\r\n0;ab\r\n\r\n", 400),
    ("limit_chunk_ext", 0, CHUNKED + b"1\r\nx\r\n0\r\n\r\n", CHUNKED + b"1;a\r\nx\r\n0\r\n\r\n", 400),
]
IDS = [f"{row[0]}={row[1]}{'' if n % 2 else ' '}" for n, row in enumerate(ROWS)]


@pytest.mark.parametrize(("option", "value", "fits", "over", "status"), ROWS, ids=IDS)
def test_option(serve: Callable[..., Server], option: str, value: Any, fits: bytes, over: bytes, status: int) -> None:
    server = serve(Echo(), **{option: value})
    served(server, fits)
    refused(server, over, status)


@pytest.mark.parametrize(("option", "value", "fits", "over", "status"), ROWS, ids=IDS)
def test_option_byte_by_byte(
    serve: Callable[..., Server], option: str, value: Any, fits: bytes, over: bytes, status: int
) -> None:
    """The same wherever the input is cut."""
    if len(over) > 600:
        pytest.skip("covered by smaller values")
    server = serve(Echo(), **{option: value})
    with Client(server) as client:
        client.send_split(fits, range(1, len(fits)), pause=0.0002)
        assert client.read().status == 200
    with Client(server) as client:
        client.send_split(over, range(1, len(over)), pause=0.0002)
        check_refusal(client, status, over)


# What shows a limit to be passed although the line, the head or the body has not ended.
EARLY: list[tuple[str, bytes, int]] = [
    ("target", b"GET /" + b"a" * 8192, 414),
    ("query", b"GET /?" + b"a" * 8192, 414),
    ("field line", GET + b"A: " + b"b" * 8190, 431),
    ("field name", GET + b"N" * 257, 431),
    ("method", b"M" * 33, 400),
    ("head", GET + (b"A: " + b"b" * 8100 + b"\r\n") * 8 + b"A: " + b"b" * 800, 431),
    ("fields", GET + b"A: b\r\n" * 99 + b"C", 431),
    ("Content-Length", POST + b"Content-Length: 1073741825\r\n\r\n", 413),
    ("chunk size", CHUNKED + b"40000001\r\n", 413),
    ("chunk size, extension to come", CHUNKED + b"40000001;", 413),
    ("digits of a chunk size", CHUNKED + b"0" * 17, 400),
    ("chunk extension", CHUNKED + b"1;" + b"a" * 16384, 400),
    ("chunk extension in quotes", CHUNKED + b'1;a="' + b"a" * 16384, 400),
    ("trailers", CHUNKED + b"0\r\nA: " + b"b" * 8192, 431),
    ("trailer name", CHUNKED + b"0\r\n" + b"A" * 8193, 431),
]


@pytest.mark.parametrize(("data", "status"), [row[1:] for row in EARLY], ids=[row[0] for row in EARLY])
def test_told_before_the_part_ends(server: Server, data: bytes, status: int) -> None:
    with Client(server) as client:
        client.send(data)
        check_refusal(client, status, data)


def test_413_comes_before_the_body(server: Server) -> None:
    with Client(server) as client:
        client.send(POST + b"Content-Length: 2000000000\r\n\r\n")
        check_refusal(client, 413, b"")


@pytest.mark.parametrize("half_close", [False, True])
def test_the_refusal_of_an_upload_arrives_whole(serve: Callable[..., Server], half_close: bool) -> None:
    """RFC 9112 9.6: what still comes is read away, since a reset would take the answer from the client."""
    server = serve(Echo(), limit_body=1000)
    for _ in range(5):
        with Client(server) as client:
            client.send(POST + b"Content-Length: 1048576\r\n\r\n" + b"x" * 1048576)
            if half_close:
                client.shut()
            check_refusal(client, 413, b"")


def test_the_refusal_of_a_chunked_upload_arrives_whole(serve: Callable[..., Server]) -> None:
    server = serve(Echo(), limit_body=1000)
    with Client(server) as client:
        client.send(CHUNKED + (b"100\r\n" + b"x" * 256 + b"\r\n") * 4096 + b"0\r\n\r\n")
        client.shut()
        check_refusal(client, 413, b"")


def test_an_endless_upload_is_cut_off(serve: Callable[..., Server]) -> None:
    """The answer is there, but the server does not read for ever."""
    server = serve(Echo(), limit_body=1000)
    with Client(server) as client:
        client.send(POST + b"Content-Length: 100000000\r\n\r\n")
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            client.send(b"x" * 100_000_000)


def test_bodies_in_memory_and_in_a_file_are_the_same(serve: Callable[..., Server]) -> None:
    body = os.urandom(100_000)
    for limit in (0, 1, 1000, 99_999, 100_000, 200_000):
        server = serve(Echo(), body_memory=limit)
        with Client(server) as client:
            client.send(POST + b"Content-Length: 100000\r\n\r\n")
            client.send_split(body, range(10_000, 100_000, 10_000))
            assert seen_by(client.read()).body.encode("latin-1") == body
