"""A client that sends bytes as given and reads responses strictly: any slip of the server is an AssertionError."""

import re
import socket
import struct
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Any, NamedTuple, Self

from velocem import Server

STATUS_LINE = re.compile(rb"HTTP/1\.1 (\d{3}) ([\t\x20-\x7e\x80-\xff]*)")
FIELD_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)")
CHUNK_LINE = re.compile(rb"[0-9A-Fa-f]+")

Fields = list[tuple[str, str]]


class Response(NamedTuple):
    """One response, whole."""

    status: int
    reason: str
    fields: Fields
    body: bytes
    trailers: Fields
    framing: str  # "none", "length", "chunked" or "close"

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        """The value of a field that must not be there twice."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} is repeated: {values}"
        return values[0] if values else None

    @property
    def closes(self) -> bool:
        return "close" in [word.strip().lower() for value in self.all("Connection") for word in value.split(",")]


def find(place: tuple[str, int] | str) -> tuple[int, Any]:
    """Family and address of a host and port, or of a URL, which may be unix:/path or unix:@name; uwsgi's too."""
    if isinstance(place, str):
        place = place.removeprefix("uwsgi+").removeprefix("uwsgi://")
    if isinstance(place, str) and place.startswith("unix:"):
        path = place.removeprefix("unix:")
        return socket.AF_UNIX, "\0" + path[1:] if path.startswith("@") else path
    if isinstance(place, str):
        host, _, port = place.removeprefix("http://").rpartition(":")
        place = host.strip("[]"), int(port)
    found = socket.getaddrinfo(*place, type=socket.SOCK_STREAM)[0]
    return found[0], found[4]


class Client:
    """One connection. Reading never goes past the response that is asked for."""

    def __init__(
        self, server: Server | tuple[str, int] | str, *, timeout: float = 10.0, receive_buffer: int = 0
    ) -> None:
        """To the first address of a server, to host and port, or to a URL as the server prints it."""
        family, address = find(server.url if isinstance(server, Server) else server)
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer:  # before connect: the window is agreed on there
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(timeout)
        try:
            self.sock.connect(address)
        except OSError:
            self.sock.close()
            raise
        if family != socket.AF_UNIX:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    # Sending.

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def send_split(self, data: bytes, at: Iterable[int], *, pause: float = 0.001) -> None:
        """In pieces that end at these offsets; the pause makes them arrive as pieces."""
        start = 0
        for end in [*at, len(data)]:
            self.sock.sendall(data[start:end])
            time.sleep(pause)
            start = end

    def shut(self) -> None:
        """End the sending side only."""
        self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        """Close with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    # Reading.

    def ask(self, data: bytes, *, head: bool = False) -> Response:
        """Send a whole request and read its response; head says that it is a HEAD request."""
        self.send(data)
        return self.read(head=head)

    def read(self, *, head: bool = False) -> Response:
        """Read the next response, interim ones (1xx) as well."""
        status, reason = self.read_status()
        fields = self.read_fields()
        body, trailers, framing = self.read_body(status, Response(status, reason, fields, b"", [], ""), head=head)
        return Response(status, reason, fields, body, trailers, framing)

    def read_status(self) -> tuple[int, str]:
        line = self.line()
        match = STATUS_LINE.fullmatch(line)
        assert match, f"not a status line: {line!r}"
        return int(match[1]), match[2].decode("latin-1")

    def read_fields(self) -> Fields:
        fields: Fields = []
        while line := self.line():
            match = FIELD_LINE.fullmatch(line)
            assert match, f"not a field line: {line!r}"
            fields.append((match[1].decode("ascii"), match[2].rstrip(b" \t").decode("latin-1")))
        return fields

    def read_body(self, status: int, response: Response, *, head: bool) -> tuple[bytes, Fields, str]:
        """By RFC 9112 6.3, with nothing forgiven."""
        length, coding = response.get("Content-Length"), response.get("Transfer-Encoding")
        assert length is None or coding is None, "both Content-Length and Transfer-Encoding"
        if head or status < 200 or status in (204, 304):
            assert status in (200, 304) or head or (length is None and coding is None)
            return b"", [], "none"
        if coding is not None:
            assert coding == "chunked"
            return *self.read_chunked(), "chunked"
        if length is not None:
            assert length.isascii()
            assert length.isdigit()
            return self.take(int(length)), [], "length"
        return self.read_all(), [], "close"

    def read_chunked(self) -> tuple[bytes, Fields]:
        body = bytearray()
        while size := self.chunk_size():
            body += self.take(size)
            assert self.take(2) == b"\r\n"
        return bytes(body), self.read_fields()

    def chunk_size(self) -> int:
        line = self.line()
        assert CHUNK_LINE.fullmatch(line), f"not a chunk size: {line!r}"
        return int(line, 16)

    def line(self) -> bytes:
        """Up to CRLF, without it; a bare CR or LF is an error."""
        while (end := self.pending.find(b"\r\n")) < 0:
            self.fill()
        line = bytes(self.pending[:end])
        del self.pending[: end + 2]
        assert b"\r" not in line
        assert b"\n" not in line
        return line

    def take(self, count: int) -> bytes:
        while len(self.pending) < count:
            self.fill()
        data = bytes(self.pending[:count])
        del self.pending[:count]
        return data

    def fill(self) -> None:
        data = self.sock.recv(65536)
        assert data, f"the connection ended after {bytes(self.pending)!r}"
        self.pending += data

    def read_all(self) -> bytes:
        """Everything up to the end of the connection."""
        while data := self.sock.recv(65536):
            self.pending += data
        data = bytes(self.pending)
        self.pending.clear()
        return data

    def read_all_of_broken(self) -> bytes:
        """As read_all(), for a connection that may end by RST."""
        try:
            return self.read_all()
        except ConnectionResetError:
            data = bytes(self.pending)
            self.pending.clear()
            return data

    def is_closed(self) -> bool:
        """Whether nothing more comes and the server has closed; waits for it up to the time-out."""
        try:
            return not self.pending and not self.sock.recv(1)
        except ConnectionResetError:
            return not self.pending

    def is_silent(self, seconds: float = 0.1) -> bool:
        """Whether nothing comes for that long, and the connection stays open."""
        if self.pending:
            return False
        timeout = self.sock.gettimeout()
        self.sock.settimeout(seconds)
        try:
            self.pending += self.sock.recv(65536)
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(timeout)
        return False


def request(method: str = "GET", target: str = "/", *fields: str, body: bytes = b"") -> bytes:
    """A request as bytes, with Host, and Content-Length when there is a body."""
    lines = [f"{method} {target} HTTP/1.1", "Host: test", *fields]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
