"""The request line: RFC 9112 2.2, 2.3 and 3."""

from typing import Any

import pytest
from support.client import Client
from support.echo import refused, row_ids, served

from velocem import Server

HOST = b" HTTP/1.1\r\nHost: h\r\n\r\n"

REFUSED: list[tuple[str, str, bytes, int]] = [
    ("9112-2.2", "bare LF everywhere", b"GET / HTTP/1.1\nHost: h\n\n", 400),
    ("9112-2.2", "bare LF behind the request line", b"GET / HTTP/1.1\nHost: h\r\n\r\n", 400),
    ("9112-2.2", "bare LF in front", b"\nGET /" + HOST, 400),
    ("9112-2.2", "bare CR in front", b"\rGET /" + HOST, 400),
    ("9112-2.2", "bare CR in the method", b"G\rT /" + HOST, 400),
    ("9112-2.2", "bare CR in the target", b"GET /a\rb" + HOST, 400),
    ("9112-2.2", "bare CR behind the version", b"GET / HTTP/1.1\rHost: h\r\n\r\n", 400),
    ("9112-2.2", "CR CR LF", b"GET / HTTP/1.1\r\r\nHost: h\r\n\r\n", 400),
    ("9112-2.2", "space in front", b" GET /" + HOST, 400),
    ("9112-2.2", "too many empty lines", b"\r\n" * 100 + b"GET /" + HOST, 400),
    ("9110-9.1", "separator in the method", b"G@T /" + HOST, 400),
    ("9110-9.1", "colon in the method", b"GET: /" + HOST, 400),
    ("9110-9.1", "NUL in the method", b"G\0T /" + HOST, 400),
    ("9110-9.1", "high bit in the method", b"G\xc5T /" + HOST, 400),
    ("9110-9.1", "method in lower case", b"get /" + HOST, 400),
    ("9110-9.1", "method in mixed case", b"Post /" + HOST, 400),
    ("9110-9.1", "method of 33 bytes", b"M" * 33 + b" /" + HOST, 400),
    ("9110-9.1", "no method", b" /" + HOST, 400),
    ("9112-3", "two spaces behind the method", b"GET  /" + HOST, 400),
    ("9112-3", "two spaces behind the target", b"GET /  HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("9112-3", "tab behind the method", b"GET\t/" + HOST, 400),
    ("9112-3", "tab behind the target", b"GET /\tHTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("9112-3", "VT behind the method", b"GET\x0b/" + HOST, 400),
    ("9112-3", "FF behind the target", b"GET /\x0cHTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("9112-3", "space behind the version", b"GET / HTTP/1.1 \r\nHost: h\r\n\r\n", 400),
    ("9112-3", "no target", b"GET HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("9112-3", "method only", b"GET\r\nHost: h\r\n\r\n", 400),
    ("9112-3", "four words", b"GET / x HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("9112-3", "space in the target", b"GET /a b" + HOST, 400),
    ("9112-3", "HTTP/0.9", b"GET /\r\n", 400),
    ("9112-3", "HTTP/0.9 with a space", b"GET / \r\n\r\n", 400),
    ("9112-2.3", "version in lower case", b"GET / http/1.1\r\nHost: h\r\n\r\n", 400),
    ("9112-2.3", "two digits", b"GET / HTTP/1.10\r\nHost: h\r\n\r\n", 400),
    ("9112-2.3", "no minor", b"GET / HTTP/1\r\nHost: h\r\n\r\n", 400),
    ("9112-2.3", "no digits", b"GET / HTTP/\r\nHost: h\r\n\r\n", 400),
    ("9112-2.3", "letter behind", b"GET / HTTP/1.1x\r\nHost: h\r\n\r\n", 400),
    ("9112-2.3", "comma for the dot", b"GET / HTTP/1,1\r\nHost: h\r\n\r\n", 400),
    ("9112-2.3", "another protocol", b"GET / ICAP/1.0\r\nHost: h\r\n\r\n", 400),
    ("9112-2.3", "hexadecimal minor", b"GET / HTTP/1.A\r\nHost: h\r\n\r\n", 400),
    ("9112-2.3", "signed minor", b"GET / HTTP/1.+1\r\nHost: h\r\n\r\n", 400),
    ("9110-15.6.6", "HTTP/2.0", b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505),
    ("9110-15.6.6", "HTTP/0.9 spelt out", b"GET / HTTP/0.9\r\nHost: h\r\n\r\n", 505),
    ("9110-15.6.6", "HTTP/3.0", b"GET / HTTP/3.0\r\nHost: h\r\n\r\n", 505),
    ("9113-3.4", "HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("9112-3.2", "NUL in the target", b"GET /a\0b" + HOST, 400),
    ("9112-3.2", "control in the target", b"GET /a\x01b" + HOST, 400),
    ("9112-3.2", "DEL in the target", b"GET /a\x7fb" + HOST, 400),
    ("9112-3.2", "latin-1 in the target", b"GET /caf\xe9" + HOST, 400),
    ("9112-3.2", "UTF-8 in the target", "GET /café".encode() + HOST, 400),
    ("9112-3.2", "fragment", b"GET /a#b" + HOST, 400),
    ("9112-3.2", "fragment in the query", b"GET /a?b#c" + HOST, 400),
    ("9112-3.2.1", "relative target", b"GET a/b" + HOST, 400),
    ("9112-3.2.1", "query only", b"GET ?a=b" + HOST, 400),
    ("9112-3.2.1", "backslash in front", b"GET \\a" + HOST, 400),
    ("9112-3.2.2", "scheme only", b"GET http://" + HOST, 400),
    ("9112-3.2.2", "no authority", b"GET http:///p" + HOST, 400),
    ("9112-3.2.2", "port without a host", b"GET http://:80/p" + HOST, 400),
    ("9112-3.2.2", "one slash", b"GET http:/h/p" + HOST, 400),
    ("9112-3.2.2", "another scheme", b"GET ftp://h/p" + HOST, 400),
    ("9110-4.2.4", "userinfo", b"GET http://u:p@h/" + HOST, 400),
    ("9110-4.2.4", "userinfo without password", b"GET http://h@evil/" + HOST, 400),
    ("9112-3.2.2", "port with letters", b"GET http://h:8x/" + HOST, 400),
    ("9112-3.2.2", "port above 65535", b"GET http://h:65536/" + HOST, 400),
    ("9112-3.2.2", "port with a sign", b"GET http://h:+80/" + HOST, 400),
    ("9112-3.2.2", "backslash in the authority", b"GET http://h\\evil/" + HOST, 400),
    ("9112-3.2.2", "absolute form does not replace Host", b"GET http://h/ HTTP/1.1\r\n\r\n", 400),
    ("9112-3.2.3", "authority form without CONNECT", b"GET h:443" + HOST, 400),
    ("9110-9.3.6", "CONNECT", b"CONNECT h:443" + HOST, 501),
    ("9112-3.2.3", "CONNECT without a port", b"CONNECT h" + HOST, 400),
    ("9112-3.2.3", "CONNECT to a path", b"CONNECT /" + HOST, 400),
    ("9112-3.2.3", "CONNECT in absolute form", b"CONNECT http://h:1/" + HOST, 400),
    ("9112-3.2.4", "asterisk without OPTIONS", b"GET *" + HOST, 400),
    ("9112-3.2.4", "asterisk and more", b"OPTIONS */a" + HOST, 400),
    ("9112-3", "TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 40, 400),
    ("9112-3", "binary", bytes(range(255, 127, -1)), 400),
    ("9112-3", "another protocol's greeting", b"EHLO mail.example\r\n", 400),
    ("9112-3", "SSH", b"SSH-2.0-OpenSSH_9.6\r\n", 400),
]

SERVED: list[tuple[str, str, bytes, dict[str, Any]]] = [
    ("9112-2.2", "an empty line in front", b"\r\nGET /" + HOST, {"PATH_INFO": "/"}),
    ("9112-2.2", "some empty lines in front", b"\r\n" * 4 + b"GET /" + HOST, {"PATH_INFO": "/"}),
    ("9110-9.1", "unknown method", b"BREW /pot" + HOST, {"REQUEST_METHOD": "BREW", "PATH_INFO": "/pot"}),
    ("9110-9.1", "method of 32 bytes", b"M" * 32 + b" /" + HOST, {"REQUEST_METHOD": "M" * 32}),
    ("9110-5.6.2", "every token byte", b"!#$%&'*+-.^_`|~09AZaz /" + HOST, {"REQUEST_METHOD": "!#$%&'*+-.^_`|~09AZaz"}),
    ("9110-2.5", "HTTP/1.2 is taken for 1.1", b"GET / HTTP/1.2\r\nHost: h\r\n\r\n", {"SERVER_PROTOCOL": "HTTP/1.1"}),
    ("9110-2.5", "HTTP/1.9 is taken for 1.1", b"GET / HTTP/1.9\r\nHost: h\r\n\r\n", {"SERVER_PROTOCOL": "HTTP/1.1"}),
    ("9112-2.3", "HTTP/1.0", b"GET / HTTP/1.0\r\n\r\n", {"SERVER_PROTOCOL": "HTTP/1.0"}),
    ("9112-3.2.1", "query", b"GET /a?b=c&d=%20+e" + HOST, {"PATH_INFO": "/a", "QUERY_STRING": "b=c&d=%20+e"}),
    ("9112-3.2.1", "two question marks", b"GET /a?b?c" + HOST, {"PATH_INFO": "/a", "QUERY_STRING": "b?c"}),
    ("9112-3.2.1", "empty query", b"GET /a?" + HOST, {"PATH_INFO": "/a", "QUERY_STRING": ""}),
    ("3986-3.3", "two slashes are a path", b"GET //evil/x" + HOST, {"PATH_INFO": "//evil/x", "HTTP_HOST": "h"}),
    ("9112-3.2.1", "URL in the path", b"GET /http://evil/" + HOST, {"PATH_INFO": "/http://evil/", "HTTP_HOST": "h"}),
    ("9112-3.2.1", "dot segments stay", b"GET /a/../../b/./c" + HOST, {"PATH_INFO": "/a/../../b/./c"}),
    ("9112-3.2", "bytes that no grammar has", b'GET /"<>\\^`{|}' + HOST, {"PATH_INFO": '/"<>\\^`{|}'}),
    (
        "9112-3.2.2",
        "absolute form",
        b"GET http://h/p?q" + HOST,
        {"PATH_INFO": "/p", "QUERY_STRING": "q", "HTTP_HOST": "h"},
    ),
    ("9110-4.2.3", "absolute form, empty path", b"GET http://h" + HOST, {"PATH_INFO": "/", "QUERY_STRING": ""}),
    ("9110-4.2.3", "absolute form, query only", b"GET http://h?q" + HOST, {"PATH_INFO": "/", "QUERY_STRING": "q"}),
    ("9110-4.2.3", "scheme in upper case", b"GET HTTP://h/p" + HOST, {"PATH_INFO": "/p"}),
    (
        "9112-3.2.2",
        "absolute form beats Host",
        b"GET http://real:81/p" + HOST,
        {"HTTP_HOST": "real:81", "PATH_INFO": "/p"},
    ),
    ("9112-3.2.2", "absolute form without Host in 1.0", b"GET http://real/ HTTP/1.0\r\n\r\n", {"HTTP_HOST": "real"}),
    ("9112-3.2.2", "IPv6 authority", b"GET http://[::1]:80/p" + HOST, {"HTTP_HOST": "[::1]:80"}),
    ("9112-3.2.4", "OPTIONS *", b"OPTIONS *" + HOST, {"REQUEST_METHOD": "OPTIONS", "PATH_INFO": "*"}),
    ("9112-3", "target of 8192 bytes", b"GET /" + b"a" * 8191 + HOST, {"PATH_INFO": "/" + "a" * 8191}),
]


@pytest.mark.parametrize(("_section", "_name", "data", "status"), REFUSED, ids=row_ids(REFUSED))
def test_refused(server: Server, _section: str, _name: str, data: bytes, status: int) -> None:
    refused(server, data, status)


@pytest.mark.parametrize(("_section", "_name", "data", "expected"), SERVED, ids=row_ids(SERVED))
def test_served(server: Server, _section: str, _name: str, data: bytes, expected: dict[str, str]) -> None:
    _, seen = served(server, data)
    assert {key: seen.environ.get(key) for key in expected} == expected


@pytest.mark.parametrize("byte", sorted({*range(0x21), *range(0x7F, 0x100)} - {0x0D, 0x20}))
def test_every_byte_that_no_target_has(server: Server, byte: int) -> None:
    refused(server, b"GET /a" + bytes([byte]) + b"b" + HOST, 400)


@pytest.mark.parametrize("byte", sorted(set(range(0x21, 0x7F)) - set(b"#%?")))
def test_every_byte_that_a_target_may_have(server: Server, byte: int) -> None:
    _, seen = served(server, b"GET /a" + bytes([byte]) + b"b" + HOST)
    assert seen.path == f"/a{chr(byte)}b"


def test_a_target_over_the_limit_is_told_before_its_line_ends(server: Server) -> None:
    """RFC 9112 3: a request line that is too long is 414."""
    with Client(server) as client:
        client.send(b"GET /" + b"a" * 8192)
        assert client.read().status == 414
        assert client.is_closed()


def test_an_answer_names_its_own_version(server: Server) -> None:
    """RFC 9110 2.5: the version of the server, not that of the request; the client's pattern wants HTTP/1.1."""
    for version in (b"HTTP/1.0", b"HTTP/1.1", b"HTTP/1.2"):
        response, _ = served(server, b"GET / " + version + b"\r\nHost: h\r\n\r\n")
        assert response.status == 200


def test_endless_empty_lines_end(server: Server) -> None:
    with Client(server) as client:
        client.send(b"\r\n" * 50)
        assert client.read().status == 400
        assert client.is_closed()
