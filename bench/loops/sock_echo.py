"""Sends back what comes, through the loop's sock_recv and sock_sendall."""

import asyncio
import contextlib
import socket

SIZE = 1 << 18


async def echo(loop: asyncio.AbstractEventLoop, client: socket.socket) -> None:
    with client, contextlib.suppress(ConnectionError):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := await loop.sock_recv(client, SIZE):
            await loop.sock_sendall(client, data)


async def accept(loop: asyncio.AbstractEventLoop, listener: socket.socket) -> None:
    echoes = set()
    while True:
        client, _ = await loop.sock_accept(listener)
        client.setblocking(False)
        task = loop.create_task(echo(loop, client))
        echoes.add(task)
        task.add_done_callback(echoes.discard)


async def start(loop: asyncio.AbstractEventLoop, port: int) -> None:
    listener = socket.create_server(("127.0.0.1", port), backlog=1024)
    listener.setblocking(False)
    await accept(loop, listener)
