"""An ASGI application that tells which loop it runs on."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

BLOCK = bytes(range(256)) * 256
began: list[str] = []


async def lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        began.append(message["type"])
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            print("the lifespan ended", flush=True)
            return


async def websocket(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "websocket.connect":
            await send({"type": "websocket.accept"})
        elif message["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})
        else:
            return


async def body_of(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


async def stream(send: Send, blocks: int) -> None:
    for _ in range(blocks):
        await send({"type": "http.response.body", "body": BLOCK, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    if scope["type"] == "websocket":
        await websocket(receive, send)
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/stream":
        await stream(send, 100)
        return
    if scope["path"] == "/loop":
        kind = type(asyncio.get_running_loop())
        body = f"{kind.__module__}.{kind.__qualname__} {' '.join(began)}".encode()
    elif scope["path"] == "/sleep":
        began.append("sleep")
        await asyncio.sleep(0.5)
        body = b"slept"
    else:
        body = await body_of(receive)
    await send({"type": "http.response.body", "body": body})
