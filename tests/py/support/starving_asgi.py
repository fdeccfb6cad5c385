"""An ASGI server in a process of its own whose Python allocations fail when a client asks for it."""

import _testcapi  # type: ignore[import-not-found]
import logging
import signal
from collections.abc import Awaitable, Callable

from velocem import Server
from velocem.types import Message, Receive, Scope, Send

START: Message = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}


async def body_of(receive: Receive) -> bytes:
    data, more = b"", True
    while more:
        message = await receive()
        data += message["body"]
        more = message["more_body"]
    return data


async def hello(scope: Scope, _receive: Receive, send: Send) -> None:
    await send(START)
    await send({"type": "http.response.body", "body": scope["path"].encode()})


async def read(_scope: Scope, receive: Receive, send: Send) -> None:
    body = await body_of(receive)
    await send(START)
    await send({"type": "http.response.body", "body": body})


async def raises(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise ValueError


APPS: dict[str, Callable[[Scope, Receive, Send], Awaitable[None]]] = {f"/{app.__name__}": app for app in (read, raises)}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["type"] == "http"
    if scope["path"] == "/calm":
        _testcapi.remove_mem_hooks()
        await send(START)
        await send({"type": "http.response.body", "body": b"calm"})
    elif scope["path"] == "/starve":
        first, last = map(int, scope["query_string"].split(b","))
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})
        _testcapi.set_nomemory(first - 1, last)
    else:
        await APPS.get(scope["path"], hello)(scope, receive, send)


def serve() -> None:
    logging.disable()  # its way is long and has troubles of its own without memory
    with Server(app, interface="asgi", lifespan="off", access_log=False) as server:
        print(server.port, flush=True)
        signal.pause()


if __name__ == "__main__":
    serve()
