"""Sends back what comes, through a Protocol."""

import asyncio
from typing import cast


class Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


async def start(loop: asyncio.AbstractEventLoop, port: int) -> None:
    await loop.create_server(Echo, "127.0.0.1", port, backlog=1024)
