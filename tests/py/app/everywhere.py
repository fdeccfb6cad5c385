"""One application, for every server: python -m gunicorn everywhere:app, and so on."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from velocem import App, Body, File, Form, Group, Header, NotFound, Request, Response
from velocem.types import StartResponse, WSGIEnvironment

app = App()
LOG = Path("said")


def say(word: str) -> None:
    """Where the test can read it."""
    with LOG.open("a") as file:
        file.write(f"{word}\n")


class New(msgspec.Struct):
    name: str


class Db:
    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()


class Session:
    def __init__(self, db: Db) -> None:
        self.db = db


@app.lifespan
async def databases() -> AsyncIterator[Db]:
    say("started")
    yield Db()
    say("stopped")


@app.provide
async def session(db: Db) -> AsyncIterator[Session]:
    yield Session(db)
    say("session ended")


@app.get("/")
def hello() -> str:
    return "Hello, World!"


@app.get("/users/{id:int}")
async def user(id: int, q: str = "", x_a: Header[str] = "") -> dict[str, Any]:
    await asyncio.sleep(0.001)
    return {"id": id, "q": q, "x": x_a}


@app.get("/names/{name}")
def named(name: str) -> str:
    return name


@app.post("/users", status=201)
async def create(new: New) -> New:
    return new


@app.post("/form")
def form(name: Form[str]) -> str:
    return name


@app.post("/size", body_limit="1MB")
def size(data: Body[bytes]) -> int:
    return len(data)


@app.get("/session")
async def show(s: Session) -> bool:
    return s.db.loop is asyncio.get_running_loop()


@app.get("/stream")
async def stream(s: Session) -> AsyncIterator[str]:
    for n in range(5):
        yield f"{n};"
        await asyncio.sleep(0)


@app.get("/blocks", blocking=True)
def blocks() -> Iterator[bytes]:
    yield b"a" * 1000
    yield b"b" * 1000


@app.get("/thread", blocking=True)
def thread() -> str:
    return threading.current_thread().name


@app.get("/cookies")
def cookies() -> Response:
    res = Response("two")
    res.set_cookie("a", "1")
    res.set_cookie("b", "2")
    return res


@app.get("/request")
def request(req: Request) -> dict[str, Any]:
    return {"method": req.method, "path": req.path, "query": req.query, "scheme": req.scheme, "host": req.host}


@app.get("/file")
def file(s: Session) -> File:
    return File(__file__, content_type="text/x-python")


@app.get("/nothing")
def nothing() -> None: ...


@app.get("/fail")
def fail() -> None:
    raise ZeroDivisionError


group = Group("/hooked")


@group.after
def stamp(res: Response) -> None:
    res.headers["x-hooked"] = "1"


@group.get("/none")
async def none() -> None:
    raise NotFound("nothing there", key=1)


app.include(group)


def wsgi(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Script", environ["SCRIPT_NAME"])])
    # A generator's start_response would come with its first block, which granian does not wait for.
    return [environ["PATH_INFO"].encode("latin-1"), environ["wsgi.input"].read()]


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        raise NotImplementedError
    message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-root", scope["root_path"].encode())]})
    await send({"type": "http.response.body", "body": scope["path"].encode(), "more_body": True})
    await send({"type": "http.response.body", "body": message["body"]})


app.mount("/wsgi", wsgi)
app.mount("/asgi", asgi)
