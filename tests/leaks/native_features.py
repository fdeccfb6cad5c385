"""The App of test_native_memory: a feature per path, and what the process holds."""

import asyncio
import gc
import logging
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct

from velocem import App, File, Form, Request, Upload, WebSocket

PAGE = os.sysconf("SC_PAGE_SIZE")

app = App()


class New(Struct):
    name: Annotated[str, Meta(min_length=1)]
    tags: list[str]


class Session:
    """What a provider gives."""


@app.provide
def session() -> Iterator[Session]:
    yield Session()


@app.get("/hello")
def hello() -> str:
    return "hello"


@app.get("/users/{number}")
async def user(number: int, q: str = "", tag: list[str] = []) -> dict[str, Any]:
    return {"number": number, "q": q, "tag": tag}


@app.get("/waits")
async def waits() -> str:
    await asyncio.sleep(0)
    return "waits"


@app.post("/new", status=201)
def new(new: New) -> New:
    return new


@app.get("/session")
def with_session(it: Session, request: Request) -> str:
    return f"{type(it).__name__} {request.path}"


@app.get("/fails")
def fails() -> str:
    raise ValueError("no")


@app.get("/file")
def file() -> File:
    return File(__file__)


async def numbers() -> AsyncIterator[bytes]:
    yield b"one"
    yield b"two"


@app.get("/stream")
def stream() -> AsyncIterator[bytes]:
    return numbers()


async def much() -> AsyncIterator[bytes]:
    while True:
        yield b"x" * 60_000


@app.get("/endless")
def endless() -> AsyncIterator[bytes]:
    return much()


@app.post("/upload")
async def upload(file: Form[Upload], title: Form[str] = "") -> str:
    return f"{file.filename} {file.size} {title}"


@app.ws("/chat")
async def chat(ws: WebSocket[New, New]) -> None:
    async for message in ws:
        await ws.send(message)


@app.get("/references")
def references() -> str:
    """Of a debug build: how many there are in all."""
    gc.collect()
    return str(sys.gettotalrefcount())


@app.get("/held")
def held() -> str:
    """Resident bytes, blocks of the allocator, open descriptors."""
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE
    return f"{resident} {sys.getallocatedblocks()} {len(os.listdir('/proc/self/fd'))}"


@app.get("/quiet")
def quiet() -> str:
    """No traceback of the exceptions to come."""
    logging.getLogger("velocem").setLevel(logging.CRITICAL)
    return "quiet"
