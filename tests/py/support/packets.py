"""uwsgi packets as a gateway makes them."""

import struct
from collections.abc import Sequence

from support.client import Client, Response
from velocem import Server

Pairs = Sequence[tuple[str, str | bytes]]

# What nginx sends of GET /a%20b?x=1, by its uwsgi_params.
USUAL: dict[str, str] = {
    "QUERY_STRING": "x=1",
    "REQUEST_METHOD": "GET",
    "CONTENT_TYPE": "",
    "CONTENT_LENGTH": "",
    "REQUEST_URI": "/a%20b?x=1",
    "PATH_INFO": "/a b",
    "DOCUMENT_ROOT": "/usr/share/nginx/html",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REQUEST_SCHEME": "http",
    "REMOTE_ADDR": "192.0.2.1",
    "REMOTE_PORT": "40000",
    "SERVER_PORT": "80",
    "SERVER_NAME": "example.org",
    "HTTP_HOST": "example.org",
}


def usual(**changes: str) -> Pairs:
    """The usual packet with other values or more of them; one that is to go is "-"."""
    return [(name, value) for name, value in (USUAL | changes).items() if value != "-"]


def string(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<H", len(data)) + data


def packet(pairs: Pairs, body: bytes = b"", modifier: int = 0) -> bytes:
    data = b"".join(string(name) + string(value) for name, value in pairs)
    return struct.pack("<BHB", modifier, len(data), 0) + data + body


def ask(server: Server | str, pairs: Pairs, body: bytes = b"", *, head: bool = False) -> Response:
    """One request. The connection ends behind its answer."""
    with Client(server) as client:
        response = client.ask(packet(pairs, body), head=head)
        assert client.is_closed()
        assert response.closes
        assert response.framing != "chunked"
        return response
