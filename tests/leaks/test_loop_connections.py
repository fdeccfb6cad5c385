"""Tens of thousands of connections on one loop, and the process holds what it held before."""

import asyncio
import gc
import os
import socket
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.loops import new_event_loop

pytestmark = pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="a sanitizer keeps freed memory")

# `make test-asyncio` asks for a hundred thousand.
CONNECTIONS = int(os.environ.get("CONNECTIONS", "20000"))
WARM = 2_000
AT_ONCE = 100

# One leaked object a connection would be 20,000 blocks; caches of the interpreter grow by some hundreds.
RESIDENT_GROWTH = 2 << 20
BLOCKS_GROWTH = 5_000


class Held(NamedTuple):
    resident: int
    blocks: int
    descriptors: int


def held() -> Held:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Held(pages * os.sysconf("SC_PAGE_SIZE"), sys.getallocatedblocks(), len(os.listdir("/proc/self/fd")))


class Echo(asyncio.Protocol):
    transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class Asking(asyncio.Protocol):
    """Asks, and ends when the answer is there."""

    transport: Any = None

    def __init__(self, over: "asyncio.Future[None]") -> None:
        self.over = over

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.write(b"x" * 100)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.over.set_result(None)


async def by_protocols(address: tuple[str, int], number: int) -> None:
    loop = asyncio.get_running_loop()
    for _ in range(number):
        over = loop.create_future()
        client = socket.socket()
        client.setblocking(False)
        await loop.sock_connect(client, address)
        await loop.create_connection(lambda over=over: Asking(over), sock=client)  # type: ignore[misc]
        await over


async def by_streams(address: tuple[str, int], number: int) -> None:
    for _ in range(number):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"x" * 100)
        await reader.readexactly(100)
        writer.close()
        await writer.wait_closed()


def test_memory_and_descriptors_stay_flat() -> None:
    loop = new_event_loop()

    async def ask(number: int) -> None:
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        each = number // AT_ONCE
        await asyncio.gather(*(by_protocols(address, each) for _ in range(AT_ONCE * 9 // 10)))
        await asyncio.gather(*(by_streams(address, each) for _ in range(AT_ONCE // 10)))
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0.05)

    loop.run_until_complete(ask(WARM))
    before = held()
    loop.run_until_complete(ask(CONNECTIONS))
    after = held()
    loop.close()
    assert after.descriptors == before.descriptors
    assert after.blocks - before.blocks < BLOCKS_GROWTH, (before, after)
    assert after.resident - before.resident < RESIDENT_GROWTH, (before, after)
