"""What is sent to /publish goes to everyone who reads /events, one after the other, as ASGI has it."""

from typing import Any

readers: set[Any] = set()


async def listen(receive: Any, send: Any) -> None:
    fields = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": b"", "more_body": True})
    readers.add(send)
    try:
        while (await receive())["type"] != "http.disconnect":
            pass
    finally:
        readers.discard(send)


async def publish(receive: Any, send: Any) -> None:
    event = b"data: " + (await receive())["body"] + b"\n\n"
    for one in list(readers):
        await one({"type": "http.response.body", "body": event, "more_body": True})
    length = (b"content-length", b"9")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain"), length]})
    await send({"type": "http.response.body", "body": b"published"})


async def app(scope: Any, receive: Any, send: Any) -> None:
    await (listen if scope["path"] == "/events" else publish)(receive, send)
