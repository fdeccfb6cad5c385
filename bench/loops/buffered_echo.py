"""Sends back what comes, through a BufferedProtocol."""

import asyncio
from typing import cast

SIZE = 1 << 18


class Echo(asyncio.BufferedProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.buffer = memoryview(bytearray(SIZE))

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.transport.write(bytes(self.buffer[:nbytes]))  # a copy: the buffer is filled again before all is sent


async def start(loop: asyncio.AbstractEventLoop, port: int) -> None:
    await loop.create_server(Echo, "127.0.0.1", port, backlog=1024)
