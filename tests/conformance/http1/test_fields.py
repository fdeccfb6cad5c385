"""Field lines and Host: RFC 9112 5 and 3.2, RFC 9110 5 and 7.2, and what CGI names make of them (RFC 3875 4.1.18)."""

import time
from typing import Any

import pytest
from support.client import Client
from support.echo import Seen, refused, row_ids, seen_by, served

from velocem import Server


def head(*lines: bytes, first: bytes = b"GET / HTTP/1.1", host: bool = True) -> bytes:
    return b"\r\n".join([first, *([b"Host: h"] if host else []), *lines, b"", b""])


REFUSED: list[tuple[str, str, bytes, int]] = [
    ("9112-5.1", "space before the colon", head(b"A : b"), 400),
    ("9112-5.1", "tab before the colon", head(b"A\t: b"), 400),
    ("9112-5.1", "VT before the colon", head(b"A\x0b: b"), 400),
    ("9112-5.1", "NBSP before the colon", head(b"A\xa0: b"), 400),
    ("9112-5.1", "CR before the colon", head(b"A\r: b"), 400),
    ("9112-5.1", "space before the colon of Content-Length", head(b"Content-Length : 5"), 400),
    ("9112-5.1", "space before the colon of Transfer-Encoding", head(b"Transfer-Encoding : chunked"), 400),
    ("9110-5.1", "empty name", head(b": b"), 400),
    ("9110-5.1", "space in the name", head(b"A B: c"), 400),
    ("9110-5.1", "quote in the name", head(b'"A": c'), 400),
    ("9110-5.1", "parenthesis in the name", head(b"A(b): c"), 400),
    ("9110-5.1", "slash in the name", head(b"A/b: c"), 400),
    ("9110-5.1", "NUL in the name", head(b"A\0b: c"), 400),
    ("9110-5.1", "latin-1 in the name", head(b"A\xe9: c"), 400),
    ("9110-5.1", "UTF-8 in the name", head("Ké: c".encode()), 400),
    ("9112-5", "no colon", head(b"A"), 400),
    ("9112-5", "no colon, spaces", head(b"A b c"), 400),
    ("9112-2.2", "space before the first field", head(b" A: b", host=False), 400),
    ("9112-2.2", "tab before the first field", head(b"\tHost: h", host=False), 400),
    ("9112-2.2", "line of a space", head(b" ", b"A: b"), 400),
    ("9112-5.2", "obs-fold by space", head(b"A: b", b" c"), 400),
    ("9112-5.2", "obs-fold by tab", head(b"A: b", b"\tc"), 400),
    ("9112-5.2", "obs-fold into an empty value", head(b"A:", b" c"), 400),
    ("9112-5.2", "obs-fold of Transfer-Encoding", head(b"Transfer-Encoding:", b" chunked"), 400),
    ("9112-5.2", "obs-fold of Content-Length", head(b"Content-Length: 1", b" 0"), 400),
    ("9112-5.2", "fold of nothing", head(b"A: b", b" "), 400),
    ("9112-5.2", "fold that hides a field", head(b"A: b", b" Transfer-Encoding: chunked"), 400),
    ("9112-2.2", "bare LF behind a field", b"GET / HTTP/1.1\r\nHost: h\nA: b\r\n\r\n", 400),
    ("9112-2.2", "bare LF for the empty line", b"GET / HTTP/1.1\r\nHost: h\r\n\n", 400),
    ("9112-2.2", "LF CR for the empty line", b"GET / HTTP/1.1\r\nHost: h\r\n\n\r", 400),
    ("9112-2.2", "bare CR for the empty line", b"GET / HTTP/1.1\r\nHost: h\r\n\rX: y\r\n\r\n", 400),
    ("9112-2.2", "CR CR LF for the empty line", b"GET / HTTP/1.1\r\nHost: h\r\n\r\r\n", 400),
    ("9112-2.2", "bare CR in a value", head(b"A: b\rC: d"), 400),
    ("9112-2.2", "bare CR at the end of a value", b"GET / HTTP/1.1\r\nHost: h\r\nA: b\r\r\n\r\n", 400),
    ("9110-5.5", "NUL in a value", head(b"A: b\0c"), 400),
    ("9110-5.5", "NUL at the end of a value", head(b"A: b\0"), 400),
    ("9110-5.3", "two Host lines", head(b"Host: h"), 400),
    ("9110-5.3", "two different Host lines", head(b"host: other"), 400),
    ("9110-5.3", "two Host lines in 1.0", head(b"Host: h", first=b"GET / HTTP/1.0"), 400),
    ("9110-8.6", "two Content-Length lines", head(b"Content-Length: 0", b"Content-Length: 0"), 400),
    ("9110-8.3", "two Content-Type lines", head(b"Content-Type: a/b", b"Content-Type: a/c"), 400),
    ("9112-6.1", "two Transfer-Encoding lines", head(*[b"Transfer-Encoding: chunked"] * 2), 400),
    ("6585-5", "101 fields", head(*[b"A: b"] * 100), 431),
    ("6585-5", "a name of 257 bytes", head(b"N" * 257 + b": b"), 431),
    ("6585-5", "a line above 8192 bytes", head(b"A: " + b"b" * 8190), 431),
    ("6585-5", "a head above 64 KiB", head(*[b"A: " + b"b" * 8000] * 9), 431),
]

HOSTS: list[tuple[str, str, bytes, int]] = [
    ("9112-3.2", f"Host {value!r}", head(b"Host: " + value, host=False), 400)
    for value in (
        *(b"a b", b"a/b", b"h/../x", b"u@h", b"u:p@h", b"h?x", b"h#x", b"h\\x", b"h\x01", b"h\x7f", b"h\xe9", b"h:80x"),
        *(b"h:-1", b"h:65536", b"h:80:80", b"[::1", b"::1", b"[::1]x", b"[::g]", b"[]", b"h%", b"h%2", b"h%zz", b":80"),
        *(b"a,b", b"h:80, h:81", b"http://h", b"<h>", b'"h"', b"h;x\tx", b"h|x", b"[1.2.3.4]", b"[::1%25eth0]"),
    )
    if value != b"a,b"  # a comma is a sub-delim of a registered name
]
HOSTS += [
    ("9112-3.2", "no Host in 1.1", head(host=False), 400),
    ("9112-3.2", "no Host in 1.2", head(first=b"GET / HTTP/1.2", host=False), 400),
    ("9112-3.2", "invalid Host in 1.0", head(b"Host: a b", first=b"GET / HTTP/1.0", host=False), 400),
    (
        "9112-3.2",
        "invalid Host beside an absolute target",
        head(b"Host: a b", first=b"GET http://h/ HTTP/1.1", host=False),
        400,
    ),
]

SERVED: list[tuple[str, str, bytes, dict[str, Any]]] = [
    ("9110-5.5", "no space behind the colon", head(b"A:b"), {"HTTP_A": "b"}),
    ("9110-5.5", "spaces and tabs around the value", head(b"A: \t b c \t "), {"HTTP_A": "b c"}),
    ("9110-5.5", "tab inside the value", head(b"A: b\tc"), {"HTTP_A": "b\tc"}),
    ("9110-5.5", "obs-text stays as it is", head(b"A: caf\xe9 \xc3\xa9 \xff"), {"HTTP_A": "caf\xe9 \xc3\xa9 \xff"}),
    ("9110-5.6.3", "NBSP and NEL are not whitespace", head(b"A: \xa0b\x85"), {"HTTP_A": "\xa0b\x85"}),
    ("9110-5.5", "empty value", head(b"A:"), {"HTTP_A": ""}),
    ("9110-5.5", "value of whitespace", head(b"A: \t "), {"HTTP_A": ""}),
    ("9110-5.5", "colons in the value", head(b"A: b:c: d"), {"HTTP_A": "b:c: d"}),
    ("9110-5.1", "names have no case", head(b"aCCept: x"), {"HTTP_ACCEPT": "x"}),
    ("9110-5.1", "every byte of a name", head(b"!#$%&'*+-.^`|~09Aa: x"), {"HTTP_!#$%&'*+_.^`|~09AA": "x"}),
    ("9110-5.3", "repeats are one list", head(b"Accept: a", b"X: 1", b"Accept: b", b"X: 2"), {"HTTP_ACCEPT": "a,b", "HTTP_X": "1,2"}),
    ("6265-5.4", "cookies are joined by semicolons", head(b"Cookie: a=1", b"Cookie: b=2"), {"HTTP_COOKIE": "a=1; b=2"}),
    ("6585-5", "100 fields", head(*[b"A: b"] * 99), {"HTTP_A": ",".join("b" * 99)}),
    ("6585-5", "a name of 256 bytes", head(b"N" * 256 + b": b"), {"HTTP_" + "N" * 256: "b"}),
    ("9112-3.2", "empty Host", head(b"Host:", host=False), {"HTTP_HOST": ""}),
    ("9112-3.2", "no Host in 1.0", head(first=b"GET / HTTP/1.0", host=False), {"HTTP_HOST": None}),
    ("3986-3.2", "port", head(b"Host: h:8080", host=False), {"HTTP_HOST": "h:8080"}),
    ("3986-3.2", "empty port", head(b"Host: h:", host=False), {"HTTP_HOST": "h:"}),
    ("3986-3.2", "IPv4", head(b"Host: 127.0.0.1:80", host=False), {"HTTP_HOST": "127.0.0.1:80"}),
    ("3986-3.2", "IPv6", head(b"Host: [2001:db8::1.2.3.4]:80", host=False), {"HTTP_HOST": "[2001:db8::1.2.3.4]:80"}),
    ("3986-3.2", "escaped bytes in a name", head(b"Host: h%41", host=False), {"HTTP_HOST": "h%41"}),
    ("3986-3.2", "sub-delims in a name", head(b"Host: a_b~c,d;e=f", host=False), {"HTTP_HOST": "a_b~c,d;e=f"}),
    ("3875-4.1.2", "Content-Type and Content-Length", head(b"Content-Type: a/b", b"Content-Length: 0"),
     {"CONTENT_TYPE": "a/b", "CONTENT_LENGTH": "0", "HTTP_CONTENT_TYPE": None, "HTTP_CONTENT_LENGTH": None}),
]  # fmt: skip

FORGED: list[tuple[str, str, bytes, dict[str, Any]]] = [
    ("3875-4.1.18", "a name with an underscore is dropped", head(b"X-User: real", b"X_User: forged"), {"HTTP_X_USER": "real"}),
    ("3875-4.1.18", "alone too", head(b"X_User: forged"), {"HTTP_X_USER": None}),
    ("3875-4.1.18", "Content_Length is no length", head(b"Content_Length: 5"), {"CONTENT_LENGTH": None}),
    ("3875-4.1.18", "Transfer_Encoding is no coding", head(b"Transfer_Encoding: chunked"), {"HTTP_TRANSFER_ENCODING": None}),
    ("3875-4.1.18", "Host_ is no Host", head(b"Host_: x"), {"HTTP_HOST": "h", "HTTP_HOST_": None}),
    ("3875-8.1", "Proxy is dropped", head(b"Proxy: http://evil"), {"HTTP_PROXY": None}),
    ("3875-4.1", "names of CGI variables", head(b"Script-Name: /x", b"Path-Info: /y", b"Remote-User: u", b"Remote-Addr: 9"),
     {"SCRIPT_NAME": "", "PATH_INFO": "/", "REMOTE_USER": None, "REMOTE_ADDR": "127.0.0.1"}),
    ("7239-8", "forwarded fields change nothing",
     head(b"X-Forwarded-Proto: https", b"X-Forwarded-For: 9.9.9.9", b"X-Forwarded-Prefix: /p", b"Forwarded: for=9.9.9.9"),
     {"wsgi.url_scheme": "http", "REMOTE_ADDR": "127.0.0.1", "SCRIPT_NAME": "", "HTTP_X_FORWARDED_FOR": "9.9.9.9"}),
]  # fmt: skip

CONTROLS = sorted({*range(0x20), 0x7F} - {0x09, 0x0A, 0x0D})
TOKENS = set(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


@pytest.mark.parametrize(("_section", "_name", "data", "status"), REFUSED + HOSTS, ids=row_ids(REFUSED + HOSTS))
def test_refused(server: Server, _section: str, _name: str, data: bytes, status: int) -> None:
    refused(server, data, status)


@pytest.mark.parametrize(("_section", "_name", "data", "expected"), SERVED + FORGED, ids=row_ids(SERVED + FORGED))
def test_served(server: Server, _section: str, _name: str, data: bytes, expected: dict[str, Any]) -> None:
    _, seen = served(server, data)
    assert {key: seen.environ.get(key) for key in expected} == expected


@pytest.mark.parametrize("byte", CONTROLS)
def test_control_bytes_in_a_value(server: Server, byte: int) -> None:
    """RFC 9110 5.5: CR, LF and NUL must be refused, the others are better refused."""
    refused(server, head(b"A: b" + bytes([byte]) + b"c"), 400)


@pytest.mark.parametrize("byte", sorted(set(range(256)) - TOKENS - {0x3A}))
def test_bytes_that_no_name_has(server: Server, byte: int) -> None:
    """RFC 9110 5.6.2."""
    refused(server, head(b"A" + bytes([byte]) + b"b: c"), 400)
    refused(server, head(bytes([byte]) + b"Ab: c"), 400)


@pytest.mark.parametrize("filler", [0, 7, 15, 16, 30, 31, 32, 33, 63, 64, 100])
def test_a_control_byte_is_seen_wherever_it_stands(server: Server, filler: int) -> None:
    """The value is read in blocks: every place of a block must be looked at."""
    for byte in (b"\0", b"\x0b", b"\x1f", b"\x7f"):
        refused(server, head(b"A: " + b"x" * filler + byte + b"y" * 40), 400)


def test_a_value_keeps_every_legal_byte(server: Server) -> None:
    value = bytes({*range(0x20, 0x100), 9} - {0x7F})
    _, seen = served(server, head(b"A: <" + value + b">"))
    assert seen.environ["HTTP_A"].encode("latin-1") == b"<" + value + b">"


def test_nothing_is_left_of_the_request_before(server: Server) -> None:
    first = (
        head(b"A: b", b"Cookie: c=d", b"Content-Type: x/y", b"Content-Length: 3", first=b"POST /a?q HTTP/1.1") + b"abc"
    )
    with Client(server) as client:
        assert client.ask(first).status == 200
        seen: Seen = seen_by(client.ask(head()))
    assert seen.body == ""
    assert seen.environ["QUERY_STRING"] == ""
    assert seen.environ["REQUEST_METHOD"] == "GET"
    assert not {"HTTP_A", "HTTP_COOKIE", "CONTENT_TYPE", "CONTENT_LENGTH"} & set(seen.environ)


def test_many_repeats_cost_no_more_than_their_bytes(server: Server) -> None:
    """Joined values are not copied once for every line of a large list: 100 lines of 600 bytes, 200 times."""
    data = head(*[b"X-Long: " + b"v" * 600] * 99)
    start = time.process_time()
    with Client(server) as client:
        for _ in range(200):
            assert client.ask(data).status == 200
    assert time.process_time() - start < 5
