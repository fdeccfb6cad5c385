"""The ASGI application of test_asgi_memory and test_references: a feature per path, and what the process holds."""

import asyncio
import gc
import logging
import os
import sys
from pathlib import Path
from typing import Any

PAGE = os.sysconf("SC_PAGE_SIZE")
TEXT = [(b"content-type", b"text/plain")]


async def body_of(receive: Any) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


async def answer(send: Any, body: bytes, status: int = 200) -> None:
    await send({"type": "http.response.start", "status": status, "headers": TEXT})
    await send({"type": "http.response.body", "body": body})


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await answer(send, b"hello")


async def waits(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.sleep(0)
    await answer(send, b"waits")


async def task(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.gather(asyncio.create_task(asyncio.sleep(0)), asyncio.create_task(answer(send, b"task")))


async def post(scope: Any, receive: Any, send: Any) -> None:
    await answer(send, b"%d" % len(await body_of(receive)))


async def stream(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": TEXT, "trailers": True})
    for part in (b"one", b"two", b""):
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b"end"})
    await send({"type": "http.response.trailers", "headers": [(b"x-end", b"1")]})


async def exception(scope: Any, receive: Any, send: Any) -> None:
    raise ValueError(scope["path"])


async def refused(scope: Any, receive: Any, send: Any) -> None:
    try:
        await send({"type": "http.response.start", "status": 200, "headers": [*TEXT, (b"x", b"a\nb")]})
        await send({"type": "http.response.body", "body": b"x"})
    except (ValueError, RuntimeError):
        await answer(send, b"refused", 400)


async def early(scope: Any, receive: Any, send: Any) -> None:
    """Ends before the end of its response."""
    await send({"type": "http.response.start", "status": 200, "headers": TEXT})


async def file(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": TEXT})
    await send({"type": "http.response.pathsend", "path": __file__})


async def endless(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": TEXT})
    gone = asyncio.ensure_future(receive())
    while not gone.done():
        await send({"type": "http.response.body", "body": b"x" * 60_000, "more_body": True})
        await asyncio.sleep(0)


async def long(scope: Any, receive: Any, send: Any) -> None:
    """Waits for its client to go."""
    await body_of(receive)
    while (await receive())["type"] != "http.disconnect":
        pass


def what_is_held() -> bytes:
    """Resident bytes, blocks of the allocator, open descriptors."""
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE
    return b"%d %d %d" % (resident, sys.getallocatedblocks(), len(os.listdir("/proc/self/fd")))


async def held(scope: Any, receive: Any, send: Any) -> None:
    await answer(send, what_is_held())


async def references(scope: Any, receive: Any, send: Any) -> None:
    """Of a debug build: how many there are in all."""
    gc.collect()
    await answer(send, b"%d" % sys.gettotalrefcount())


async def quiet(scope: Any, receive: Any, send: Any) -> None:
    """No traceback of the exceptions to come."""
    logging.getLogger("velocem").setLevel(logging.CRITICAL)
    await answer(send, b"quiet")


FEATURES = {
    f"/{function.__name__}": function
    for function in (
        hello, waits, task, post, stream, exception, refused, early, file, endless, long, held, references, quiet,
    )
}  # fmt: skip


async def talk(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    if scope["path"] == "/denied":
        await send({"type": "websocket.close"})
        return
    await send({"type": "websocket.accept", "headers": [(b"x-a", b"1")]})
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("text") == "fail":
            raise ValueError(message["text"])
        await send({"type": "websocket.send", **{key: message.get(key) for key in ("text", "bytes")}})


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await talk(scope, receive, send)
    elif scope["type"] == "http":
        await FEATURES[scope["path"]](scope, receive, send)
    else:
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})
