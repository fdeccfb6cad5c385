"""What is sent to /publish goes to every WebSocket, one after the other, as ASGI has it."""

from typing import Any

sockets: set[Any] = set()


async def listen(receive: Any, send: Any) -> None:
    await send({"type": "websocket.accept"})
    sockets.add(send)
    try:
        while (await receive())["type"] != "websocket.disconnect":
            pass
    finally:
        sockets.discard(send)


async def publish(receive: Any, send: Any) -> None:
    message = {"type": "websocket.send", "bytes": (await receive())["body"]}
    for one in list(sockets):
        await one(message)
    length = (b"content-length", b"9")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain"), length]})
    await send({"type": "http.response.body", "body": b"published"})


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await receive()
        await listen(receive, send)
    else:
        await publish(receive, send)
