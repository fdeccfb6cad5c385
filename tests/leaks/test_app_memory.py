"""Thousands of requests of everything that an App does: the process and its providers hold what they held before."""

import asyncio
import gc
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import msgspec
import pytest
from support.client import Client, request

from velocem import App, Conflict, File, Form, Group, Header, Next, Request, Response, Server

pytestmark = pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="a sanitizer keeps freed memory")

REQUESTS = 3_000
# One leaked object of a request would be as many blocks as there were requests.
GROWTH = 1_000


class New(msgspec.Struct):
    name: str


class Now:
    """Given by a def."""


class Later:
    """Given by an async def."""


class Count:
    """Of providers that are open; threads end some."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.begun = self.ended = 0

    def begin(self) -> None:
        with self.lock:
            self.begun += 1

    def end(self) -> None:
        with self.lock:
            self.ended += 1


count = Count()
app = App()
group = Group("/hooked")


@app.provide
def now() -> Iterator[Now]:
    count.begin()
    try:
        yield Now()
    finally:
        count.end()


@app.provide
async def later(now: Now) -> AsyncIterator[Later]:
    count.begin()
    try:
        await asyncio.sleep(0)
        yield Later()
    finally:
        count.end()


@app.get("/hello")
def hello() -> str:
    return "hello"


@app.get("/users/{id:int}")
async def user(id: int, q: str = "", tag: list[str] = [], x_a: Header[str] = "") -> dict[str, Any]:
    await asyncio.sleep(0)
    return {"id": id, "q": q, "tag": tag, "x": x_a}


@app.post("/json")
def take(new: New) -> New:
    return new


@app.post("/form")
def form(new: Form[New]) -> str:
    return new.name


@app.get("/request")
def whole(req: Request) -> list[str]:
    req.state["a"] = req
    return [*req.headers, *req.cookies]


@app.get("/provided")
def provided(now: Now) -> str:
    return type(now).__name__


@app.get("/later")
async def waiting(later: Later) -> str:
    return type(later).__name__


@app.get("/threads", blocking=True)
def threads(now: Now) -> str:
    return type(now).__name__


@app.get("/stream")
async def stream(later: Later) -> AsyncIterator[str]:
    yield "a"
    await asyncio.sleep(0)
    yield "b"


@app.get("/endless")
async def endless(later: Later) -> AsyncIterator[bytes]:
    while True:
        yield b"a" * 10_000
        await asyncio.sleep(0)


@app.get("/conflict")
async def conflict(later: Later) -> None:
    raise Conflict("again", number=1)


@app.get("/refused")
def refused(now: Now) -> Response:
    return Response("", headers={"x": "\r\n"})


@app.get("/file")
def file(now: Now) -> File:
    return File(__file__)


@group.before
def before(now: Now) -> None: ...


@group.after
async def after(res: Response) -> None:
    res.headers["x-a"] = "1"


@group.around
async def around(call: Next) -> Response:
    return await call()


@group.get("/{n:int}")
async def hooked(n: int) -> dict[str, int]:
    return {"n": n}


app.include(group)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, vars(count)
        time.sleep(0.005)


@pytest.fixture(name="server", scope="module")
def make_server() -> Iterator[Server]:
    with Server(app, log_level="critical") as server:
        yield server


def ask(server: Server, data: bytes, times: int) -> None:
    with Client(server) as client:
        for _ in range(times):
            assert client.ask(data).status


def blocks() -> int:
    gc.collect()
    return sys.getallocatedblocks()


ROWS = {
    "hello": request("GET", "/hello"),
    "user": request("GET", "/users/42?q=a%20b&tag=1&tag=2", "X-A: 1"),
    "invalid": request("GET", "/users/42?q=%ff&tag=1"),
    "json": request("POST", "/json", "Content-Type: application/json", body=b'{"name":"a"}'),
    "json that is wrong": request("POST", "/json", "Content-Type: application/json", body=b'{"name":1}'),
    "json that is none": request("POST", "/json", "Content-Type: application/json", body=b"{"),
    "form": request("POST", "/form", "Content-Type: application/x-www-form-urlencoded", body=b"name=a"),
    "request": request("GET", "/request", "Cookie: a=b"),
    "provided": request("GET", "/provided"),
    "later": request("GET", "/later"),
    "threads": request("GET", "/threads"),
    "stream": request("GET", "/stream"),
    "conflict": request("GET", "/conflict"),
    "refused": request("GET", "/refused"),
    "file": request("GET", "/file"),
    "hooked": request("GET", "/hooked/1"),
    "not found": request("GET", "/none"),
}


@pytest.mark.parametrize("row", ROWS)
def test_memory_is_flat_and_providers_end(server: Server, row: str) -> None:
    ask(server, ROWS[row], REQUESTS // 5)
    first = blocks()
    ask(server, ROWS[row], REQUESTS)
    wait_for(lambda: count.begun == count.ended)
    wait_for(lambda: blocks() - first < GROWTH)


def test_clients_that_vanish_end_their_providers(server: Server) -> None:
    for path in ("/endless", "/stream", "/later", "/threads"):
        for _ in range(50):
            client = Client(server)
            client.send(request("GET", path))
            if path == "/endless":
                client.sock.recv(10)
            client.reset()
    wait_for(lambda: count.begun == count.ended)
    assert count.begun > 50
