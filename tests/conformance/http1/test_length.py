"""How long a request is: RFC 9112 6 and 7, RFC 9110 8.6."""

from typing import Any

import pytest
from support.client import Client
from support.echo import SMUGGLED, refused, row_ids, seen_by, served

from velocem import Server

LENGTH_MAX = 2**63 - 1


def post(*lines: bytes, body: bytes = b"", version: bytes = b"1.1", method: bytes = b"POST") -> bytes:
    return b"\r\n".join([method + b" / HTTP/" + version, b"Host: h", *lines, b"", b""]) + body


def length(value: bytes, body: bytes = b"hello") -> bytes:
    return post(b"Content-Length: " + value, body=body)


def coding(value: bytes, body: bytes = b"0\r\n\r\n") -> bytes:
    return post(b"Transfer-Encoding: " + value, body=body)


def chunked(body: bytes) -> bytes:
    return coding(b"chunked", body)


CHUNKED = b"Transfer-Encoding: chunked"

REFUSED: list[tuple[str, str, bytes, int]] = [
    ("9112-6.1", "Transfer-Encoding in 1.0", post(CHUNKED, version=b"1.0", body=b"0\r\n\r\n"), 400),
    ("9112-6.3", "CL.TE", post(b"Content-Length: 6", CHUNKED, body=b"0\r\n\r\nG"), 400),
    ("9112-6.3", "TE.CL", post(CHUNKED, b"Content-Length: 4", body=b"5c\r\nG"), 400),
    ("9112-6.3", "CL.TE with a length of 0", post(b"Content-Length: 0", CHUNKED, body=b"0\r\n\r\n"), 400),
    ("9112-6.3", "unknown coding beside a length", post(b"Content-Length: 4", b"Transfer-Encoding: x"), 400),
    *(
        ("9112-6.1", f"Transfer-Encoding {value!r}", coding(value), status)
        for value, status in (
            *((b"gzip, chunked", 501), (b"deflate,chunked", 501), (b"GZIP , Chunked", 501)),
            *((b"chunked, chunked", 400), (b"chunked, gzip", 400), (b"gzip", 400), (b"identity", 400), (b"", 400)),
            *((b"xchunked", 400), (b"chunkedx", 400), (b"x chunked", 400), (b"chunked x", 400), (b'"chunked"', 400)),
            *((b"chunked;q=1", 400), (b"chunked;", 400), (b"chunked,", 400), (b",chunked", 400), (b"chunked, ", 400)),
            *((b"identity, chunked, identity", 400), (b"chunked, identity", 400), (b"identity;q=1, chunked", 400)),
            *((b"\x0bchunked", 400), (b"chunked\x0b", 400), (b"chu\0nked", 400), (b"\x0cchunked", 400)),
            *((b"chunked\0", 400), (b"\xa0chunked", 400), (b"chunked\xa0", 400), (b"ch\xc3\xbcnked", 400), (b"'chunked'", 400)),
            *((b"chun\xe2\x84\xaaed", 400), (b"cow", 400), (b"0", 400), (b"chunke\xc4\x91", 400)),
        )
    ),
    ("9112-6.1", "two codings in two lines", post(b"Transfer-Encoding: gzip", CHUNKED), 400),
    ("9112-6.1", "chunked, then identity in its own line", post(CHUNKED, b"Transfer-Encoding: identity"), 400),
    ("9112-6.1", "an empty second line", post(CHUNKED, b"Transfer-Encoding:"), 400),
    *(
        ("9110-8.6", f"Content-Length {value!r}", length(value), 400)
        for value in (
            *(b"+5", b"-5", b"-0", b" +5", b"5 5", b"5,5", b"5, 5", b"5,", b",5", b"5_0", b"0x5", b"5h", b"5.0", b"5e0"),
            *(b"", b"five", b"\xb2", b"\xd9\xa5", b"5\x0b", b"\x0b5", b"5;", b"5\0", b"\x005", b"\xa05", b"5\xa0", b"'5'", b'"5"'),
            *(b"9223372036854775808", b"18446744073709551616", b"18446744073709551621", b"9" * 20, b"9" * 100, b"0b101", b"1 0"),
        )
    ),
    ("9110-8.6", "two different lengths", post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello"), 400),
    ("9110-8.6", "two equal lengths", post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"), 400),
    ("9110-8.6", "a second length in another case", post(b"Content-Length: 5", b"content-length: 5", body=b"hello"), 400),
    ("9110-15.5.14", "a length above the limit", length(b"1073741825", b""), 413),
    ("9110-15.5.14", "the greatest length", length(b"9223372036854775807", b""), 413),
    ("9112-6.2", "a bad length of a GET", post(b"Content-Length: x", method=b"GET"), 400),
    # The sizes of chunks.
    *(
        ("9112-7.1", f"chunk {line!r}", chunked(line + b"\r\nhello\r\n0\r\n\r\n"), 400)
        for line in (
            *(b"", b" 5", b"5 ", b"\t5", b"5\t", b"+5", b"-5", b"0x5", b"5h", b"5_0", b"5.", b"5,", b"g", b"\x005", b"5\0"),
            *(b"\xb2", b"\xd9\xa5", b"5\r", b"\r5", b"00000000000000005", b"fffffffffffffffff", b"10000000000000005", b"5\x0b"),
        )
    ),
    ("9112-7.1", "chunk of 2^64-1 bytes", chunked(b"ffffffffffffffff\r\n"), 413),
    ("9112-7.1", "chunks whose sum wraps", chunked(b"5\r\nhello\r\nfffffffffffffffb\r\n"), 413),
    # Extensions: TERM.EXT, EXT.TERM and their kin, where a line end is hidden from one of two readers.
    *(
        ("9112-7.1.1", f"extension {ext!r}", chunked(b"5" + ext + b"\r\nhello\r\n0\r\n\r\n"), 400)
        for ext in (
            *(b";", b";;", b";=", b";a=", b";=b", b"; a", b";a ;b", b" ;a", b";a =b", b";a= b", b';a="b', b';a=b"', b';a="b"c'),
            *(b";a\nb", b";a=\nb", b';a="\n"', b';a="\r"', b";a\rb", b";a\0", b";a=\x7f", b';a="\\\n"', b';a="\x01"', b";a@b", b";\n"),
            *(b";a=b;", b";a=b,c", b';a="b\\', b"\n", b"\r", b"\r\r", b";\xe9"),
        )
    ),
    ("9112-7.1", "TERM.EXT: LF ends the size line", chunked(b"2;\nxx\r\n45\r\n0\r\n\r\n" + SMUGGLED), 400),
    ("9112-7.1", "EXT.TERM: CR ends the size line", chunked(b"2;\rxx\r\n45\r\n0\r\n\r\n"), 400),
    ("9112-7.1", "TERM.SPILL: LF ends the data", chunked(b"5\r\nAAAAA\n2\r\n45\r\n0\r\n\r\n"), 400),
    ("9112-7.1", "SPILL.TERM: nothing ends the data", chunked(b"5\r\nAAAAAXX2\r\n45\r\n0\r\n\r\n"), 400),
    ("9112-7.1", "ONE.TWO: one byte ends the data", chunked(b"5\r\nAAAAA\r5\r\nAAAAA\r\n0\r\n\r\n"), 400),
    ("9112-7.1", "ONE.TWO: LF CR ends the data", chunked(b"5\r\nAAAAA\n\r0\r\n\r\n"), 400),
    ("9112-7.1", "data longer than its size", chunked(b"3\r\nhello\r\n0\r\n\r\n"), 400),
    ("9112-7.1", "data shorter than its size", chunked(b"9\r\nhello\r\n0\r\n\r\n"), 400),
    ("9112-7.1", "LF behind the last size", chunked(b"0\n\r\n"), 400),
    ("9112-7.1", "LF for the last line", chunked(b"0\r\n\n"), 400),
    ("9112-7.1", "CR for the last line", chunked(b"0\r\n\rX"), 400),
    ("9112-7.1", "two CR for the last line", chunked(b"0\r\n\r\r\n"), 400),
    ("9112-7.1", "bytes for the last line", chunked(b"0\r\nxx"), 400),
    ("9112-7.1", "an empty line for a size", chunked(b"5\r\nhello\r\n\r\n0\r\n\r\n"), 400),
    # Trailers.
    *(
        ("9110-6.5.1", f"trailer {line!r}", chunked(b"0\r\n" + line + b"\r\n\r\n"), 400)
        for line in (
            *(b"Content-Length: 5", b"content-length:5", b"Transfer-Encoding: chunked", b"TRANSFER-ENCODING: x", b"Host: x"),
            *(b"A : b", b" A: b", b"A", b": b", b"A: b\r\n c", b"A: \0", b"A: b\rc", b"A: b\nC: d", b"A\x0b: b", b"A: \x01", b"A\xe9: b"),
        )
    ),
    ("9112-7.1.2", "trailers above 8 KiB", chunked(b"0\r\n" + b"A: bcdefghijkl\r\n" * 600 + b"\r\n"), 431),
    ("9112-7.1.1", "extensions above 16 KiB in one chunk", chunked(b"1;" + b"a" * 17000 + b"\r\nx\r\n0\r\n\r\n"), 400),
    ("9112-7.1.1", "extensions above 16 KiB in all", chunked(b"1;abcdefghijklmno\r\nx\r\n" * 1100 + b"0\r\n\r\n"), 400),
]  # fmt: skip

SERVED: list[tuple[str, str, bytes, str, dict[str, Any]]] = [
    ("9112-6.3", "length", length(b"5"), "hello", {"CONTENT_LENGTH": "5"}),
    ("9112-6.3", "length of 0", length(b"0", b""), "", {"CONTENT_LENGTH": "0"}),
    ("9110-8.6", "zeros in front", length(b"0000000005"), "hello", {}),
    ("9110-8.6", "thousands of zeros in front", length(b"0" * 5000 + b"5"), "hello", {}),
    ("9110-5.5", "whitespace around", length(b"\t 5 \t"), "hello", {"CONTENT_LENGTH": "5"}),
    ("9112-6.3", "neither: no body", post(), "", {"CONTENT_LENGTH": None}),
    *(
        ("9110-9.3", f"a body of {method.decode()}", post(b"Content-Length: 5", body=b"hello", method=method), "hello", {})
        for method in (b"GET", b"DELETE", b"OPTIONS", b"PUT", b"PATCH", b"TRACE", b"BREW")
    ),
    ("9112-6.3", "a chunked body of GET", post(CHUNKED, body=b"5\r\nhello\r\n0\r\n\r\n", method=b"GET"), "hello", {}),
    ("9112-7.1", "chunks", chunked(b"5\r\nhello\r\n1\r\n \r\n00a\r\n0123456789\r\n0\r\n\r\n"), "hello 0123456789", {}),
    ("9112-7.1", "no chunk", chunked(b"0\r\n\r\n"), "", {}),
    ("9112-7.1", "many zeros", chunked(b"0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n"), "hello", {}),
    ("9112-7.1", "digits of both cases", chunked(b"aB\r\n" + b"x" * 0xAB + b"\r\n0\r\n\r\n"), "x" * 0xAB, {}),
    ("9112-7", "codings have no case", coding(b"cHuNkEd", b"1\r\nx\r\n0\r\n\r\n"), "x", {}),
    ("9112-7", "whitespace around the coding", coding(b" \tchunked \t", b"1\r\nx\r\n0\r\n\r\n"), "x", {}),
    ("9112-7.1.1", "extensions are ignored", chunked(b'5;a;b=c;d="e\\"; f";g\r\nhello\r\n0;last\r\n\r\n'), "hello", {}),
    ("9112-7.1.2", "trailers are not fields", chunked(b"1\r\nx\r\n0\r\nX-User: evil\r\nCookie: a=b\r\n\r\n"), "x",
     {"HTTP_X_USER": None, "HTTP_COOKIE": None}),
    ("9112-7.1.2", "names like forbidden ones", chunked(b"0\r\nHosts: x\r\nHos: x\r\nContent-Lengths: 1\r\n\r\n"), "", {}),
    ("9112-7.1", "CR and LF in the data", chunked(b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n"), "\r\n0\r\n\r\n", {}),
    ("3875-4.1.2", "a decoded body has a length", chunked(b"5\r\nhello\r\n0\r\n\r\n"), "hello",
     {"CONTENT_LENGTH": "5", "HTTP_TRANSFER_ENCODING": None}),
]  # fmt: skip


@pytest.mark.parametrize(("_section", "_name", "data", "status"), REFUSED, ids=row_ids(REFUSED))
def test_refused(server: Server, _section: str, _name: str, data: bytes, status: int) -> None:
    refused(server, data, status)


@pytest.mark.parametrize(("_section", "_name", "data", "body", "environ"), SERVED, ids=row_ids(SERVED))
def test_served(server: Server, _section: str, _name: str, data: bytes, body: str, environ: dict[str, Any]) -> None:
    """And the next request on the connection is understood: the body ended where it should."""
    with Client(server) as client:
        seen = seen_by(client.ask(data))
        assert seen.body == body
        assert {key: seen.environ.get(key) for key in environ} == environ
        assert seen_by(client.ask(b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n")).path == "/next"


@pytest.mark.parametrize(
    "data", [length(b"6"), chunked(b"5\r\nhel"), chunked(b"5\r\nhello\r\n"), chunked(b"5\r\nhello\r\n0\r\n")]
)
def test_a_body_that_was_cut_short_never_looks_whole(server: Server, data: bytes) -> None:
    """RFC 9112 8: the application is not called for an incomplete request."""
    before = server.stats()["aborted"]
    with Client(server) as client:
        client.send(data)
        client.shut()
        assert client.read_all() == b""
    assert server.stats()["aborted"] == before + 1


def test_a_request_may_be_as_large_as_its_limits(server: Server) -> None:
    body = bytes(range(256)) * 8192
    _, seen = served(server, length(b"%d" % len(body), body))
    assert seen.body.encode("latin-1") == body


def test_a_large_chunked_body(server: Server) -> None:
    piece = bytes(range(256)) * 16
    _, seen = served(server, chunked((b"%x\r\n" % len(piece) + piece + b"\r\n") * 300 + b"0\r\n\r\n"))
    assert seen.body.encode("latin-1") == piece * 300


def test_many_small_chunks_cost_no_more_than_their_bytes(server: Server) -> None:
    count = 200_000
    _, seen = served(server, chunked(b"1\r\nx\r\n" * count + b"0\r\n\r\n"))
    assert len(seen.body) == count
