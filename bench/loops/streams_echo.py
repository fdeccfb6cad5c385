"""Sends back what comes, through a StreamReader and a StreamWriter."""

import asyncio

SIZE = 1 << 18


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(SIZE):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def start(_loop: asyncio.AbstractEventLoop, port: int) -> None:
    await asyncio.start_server(echo, "127.0.0.1", port, limit=SIZE, backlog=1024)
