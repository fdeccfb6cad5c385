"""Thousands of WebSockets that stay open: what each costs the server, compressed and not."""

import os
import resource
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.client import Client
from support.process import Process

# CONNECTIONS=10000 gives the figures of docs/asgi.md.
CONNECTIONS = int(os.environ.get("CONNECTIONS", "1000"))
WARM = 100

APPLICATION = """
async def app(scope, receive, send):
    assert scope["type"] == "websocket"
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})
"""

HANDSHAKE = (
    b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)
DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"

TEXT = b"all work and no play makes a dull boy; " * 20

# Bytes a socket: a task with a coroutine of the application that waits, and its scope; then zlib's two streams too.
MOST = {"plain": 16 << 10, "compressed": 64 << 10}


def frame(text: bytes, *, compressed: bool) -> bytes:
    """Masked, with a mask of zeros."""
    first = 0x81
    if compressed:
        packer = zlib.compressobj(wbits=-12)
        text = (packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]
        first = 0xC1
    head = bytes([first, 0x80 | len(text)]) if len(text) < 126 else struct.pack("!BBH", first, 0xFE, len(text))
    return head + bytes(4) + text


class Socket(Client):
    """One WebSocket, whose messages are all the same."""

    def __init__(self, address: tuple[str, int], *, compressed: bool) -> None:
        super().__init__(address, timeout=30)
        self.send(HANDSHAKE + (DEFLATE if compressed else b"") + b"\r\n")
        assert self.read_status()[0] == 101
        assert any(name == "Sec-WebSocket-Extensions" for name, _ in self.read_fields()) is compressed
        self.packed = compressed
        self.asked = frame(TEXT, compressed=compressed)
        self.unpacker = zlib.decompressobj(wbits=-15)

    def talk(self) -> None:
        """A message there and back."""
        self.send(self.asked)
        first, size = self.take(2)
        assert first == (0xC1 if self.packed else 0x81)
        if size == 126:
            size = int.from_bytes(self.take(2), "big")
        data = self.take(size)
        assert (self.unpacker.decompress(data + b"\0\0\xff\xff") if self.packed else data) == TEXT


def open_some(sockets: list[Socket], count: int, address: tuple[str, int], *, compressed: bool) -> None:
    for _ in range(count):
        sockets.append(Socket(address, compressed=compressed))
        sockets[-1].talk()


@pytest.fixture
def many_descriptors() -> Iterator[int]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def resident(pid: int) -> int:
    """Memory of its own, in bytes: no file behind it."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) << 10
    raise AssertionError("no RssAnon")


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", MOST)
def test_sockets_that_stay_open(kind: str, tmp_path: Path, many_descriptors: int) -> None:
    """Each has had a message both ways; all are open at the end, and answer."""
    (tmp_path / "echo.py").write_text(APPLICATION)
    count = min(CONNECTIONS, many_descriptors - 200)
    compressed = kind == "compressed"
    sockets: list[Socket] = []
    options = ("--port", "0", "--ws-ping-interval", "0", "--lifespan", "off")
    with Process("echo:app", *options, cwd=tmp_path) as server:
        pid = server.popen.pid
        own = descriptors(pid)
        try:
            open_some(sockets, WARM, server.address, compressed=compressed)
            before = resident(pid)
            open_some(sockets, count - WARM, server.address, compressed=compressed)
            each = (resident(pid) - before) / (count - WARM)
            print(f"{count} WebSockets, {kind}: {each:.0f} bytes each, {resident(pid) >> 20} MiB in all")
            assert each < MOST[kind] or "asan" in os.environ.get("LD_PRELOAD", "")  # which pads every allocation
            assert descriptors(pid) >= own + count
            for socket in sockets:
                socket.talk()
        finally:
            for socket in sockets:
                socket.close()
        wait_until(lambda: descriptors(pid) == own)
