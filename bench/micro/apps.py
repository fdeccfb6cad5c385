"""The applications whose requests are counted; those of bench/apps change with their scenarios."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

from msgspec import Struct

from velocem import App

TEXT = [("Content-Type", "text/plain")]
START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


def hello(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", TEXT)
    return [b"Hello, World!"]


def post(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    start_response("200 OK", TEXT)
    return [b"%d bytes" % len(body)]


def generator(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
    """No length is known: ten chunks."""
    start_response("200 OK", TEXT)
    for _ in range(10):
        yield b"a block of thirty-two bytes....\n"


async def asgi_hello(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    await send(START)
    await send({"type": "http.response.body", "body": b"Hello, World!"})


async def asgi_post(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    await send(START)
    await send({"type": "http.response.body", "body": b"%d bytes" % size})


async def asgi_sleep(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    await asyncio.sleep(0)
    await send(START)
    await send({"type": "http.response.body", "body": b"Hello, World!"})


class Item(Struct):
    name: str
    price: float
    quantity: int
    tags: list[str]


class Total(Struct):
    name: str
    total: float
    tags: int


native = App()


@native.get("/")
def native_hello() -> str:
    return "Hello, World!"


@native.get("/json")
def native_json() -> dict[str, str]:
    return {"message": "Hello, World!"}


@native.get("/users/{number}")
def native_user(number: int, q: str = "") -> dict[str, int | str]:
    return {"id": number, "q": q}


@native.post("/items")
def native_items(item: Item) -> Total:
    return Total(name=item.name, total=item.price * item.quantity, tags=len(item.tags))


@native.get("/async")
async def native_async() -> str:
    return "Hello, World!"
