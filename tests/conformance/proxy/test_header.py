"""The PROXY protocol: whom applications see, and whose header is taken."""

import logging
import struct
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from support.client import Client, request

from velocem import Server
from velocem.types import StartResponse, WSGIEnvironment

GET = request()
V1 = b"PROXY TCP4 192.0.2.1 198.51.100.2 1234 443\r\n"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
IPV4 = bytes([192, 0, 2, 1, 198, 51, 100, 2]) + struct.pack(">HH", 1234, 443)
US = "127.0.0.1"


def tell(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    told = f"{environ['REMOTE_ADDR']} {environ['wsgi.url_scheme']}".encode()
    start_response("200 OK", [("Content-Length", str(len(told)))])
    return [told]


def v2(*tlvs: tuple[int, bytes], command: int = 1, family: int = 0x11, addresses: bytes = IPV4) -> bytes:
    rest = addresses + b"".join(struct.pack(">BH", kind, len(value)) + value for kind, value in tlvs)
    return SIGNATURE + bytes([0x20 | command, family]) + struct.pack(">H", len(rest)) + rest


TLS = (0x20, b"\x01\0\0\0\0" + b"\x21\x00\x07TLSv1.3")


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (V1, b"192.0.2.1 http"),
        (b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n", b"2001:db8::1 http"),
        (b"PROXY UNKNOWN\r\n", b"127.0.0.1 http"),
        (v2(), b"192.0.2.1 http"),
        (v2(TLS), b"192.0.2.1 https"),
        (v2((0x02, b"example.org"), (0xE0, b"own")), b"192.0.2.1 http"),
        (v2(family=0x21, addresses=bytes(15) + b"\1" + bytes(20)), b"::1 http"),
        (v2(family=0x31, addresses=b"/run/x".ljust(216, b"\0")), b" http"),
        (v2(command=0, family=0, addresses=b""), b"127.0.0.1 http"),
        (v2(family=0, addresses=b""), b"127.0.0.1 http"),
    ],
)
@pytest.mark.parametrize("threads", [0, 1])
def test_client_is_whom_the_header_names(header: bytes, told: bytes, threads: int) -> None:
    with Server(tell, proxy_allow_from=US, threads=threads) as server, Client(server) as client:
        assert client.ask(header + GET).body == told
        assert client.ask(GET).body == told


def test_header_may_come_byte_by_byte() -> None:
    with Server(tell, proxy_allow_from=US) as server, Client(server) as client:
        data = v2(TLS) + GET
        client.send_split(data, range(1, len(data)))
        assert client.read().body == b"192.0.2.1 https"


def test_unix_sockets_are_named_unix(tmp_path: Path) -> None:
    with Server(tell, uds=f"{tmp_path}/s", proxy_allow_from="unix") as server, Client(server) as client:
        assert client.ask(V1 + GET).body == b"192.0.2.1 http"


@pytest.mark.parametrize(
    "header", [b"", b"PROXY TCP4 x y 1 2\r\n", v2((0x03, b"\0\0\0\0")), V1[:-2] + b"\n", SIGNATURE * 2]
)
def test_what_is_no_header_is_closed_with_a_line(header: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), Server(tell, proxy_allow_from=US) as server:
        with Client(server) as client:
            client.send(header + GET)
            assert client.is_closed()
        end = time.monotonic() + 10
        while not caplog.messages:
            assert time.monotonic() < end
            time.sleep(0.01)
        assert caplog.messages[0].startswith("connection from 127.0.0.1 closed: ")
        with Client(server) as client:
            assert client.ask(V1 + GET).status == 200


@pytest.mark.parametrize("allowed", ["", "192.0.2.0/24", "unix"])
@pytest.mark.parametrize("header", [V1, v2()])
def test_header_of_a_stranger_is_a_bad_request(allowed: str, header: bytes) -> None:
    with Server(tell, proxy_allow_from=allowed) as server:
        with Client(server) as client:
            assert client.ask(header + GET).status == 400
        with Client(server) as client:
            assert client.ask(GET).body == b"127.0.0.1 http"


def test_forwarded_fields_are_believed_of_the_client_that_is_named() -> None:
    get = request("GET", "/", "X-Forwarded-For: 203.0.113.5")
    with Server(tell, proxy_allow_from=US, forwarded_allow_ips="192.0.2.1") as server:
        with Client(server) as client:
            assert client.ask(V1 + get).body == b"203.0.113.5 http"
        with Client(server) as client:
            assert client.ask(V1.replace(b"192.0.2.1", b"192.0.2.2") + get).body == b"192.0.2.2 http"
