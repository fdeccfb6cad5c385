"""The demonstration: requests as they happen, a room, an upload, and the documentation; make run."""

import asyncio
import contextlib
import hashlib
import time
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from velocem import App, EventStream, File, Form, Group, Limits, Next, Response, Upload, WebSocket

STATIC = Path(__file__).parent / "static"
TICK_SECONDS = 0.5

app = App(title="Velocem, live", description="What the page at / draws, and what it is drawn from.")
app.use(Limits(body="300MB", file="256MB"))
app.docs()
app.static("/static", STATIC, cache="no-cache")


class Sample(Struct):
    """What the last half second was like."""

    at: float
    per_second: float
    p50_ms: float
    p99_ms: float


class Msg(Struct):
    """What is said in the room."""

    who: Annotated[str, Meta(min_length=1, max_length=30)]
    text: Annotated[str, Meta(min_length=1, max_length=500)]


class Uploaded(Struct):
    """What has come."""

    name: str
    size: int
    sha256: str


taken: deque[float] = deque(maxlen=100_000)  # seconds that requests took, since the last sample


def sample(seconds: float) -> Sample:
    """Of what has been measured, which is then forgotten."""
    times = sorted(taken)
    taken.clear()
    last = len(times) - 1
    p50, p99 = (times[last // 2], times[int(last * 0.99)]) if times else (0.0, 0.0)
    return Sample(time.time(), len(times) / seconds, p50 * 1000, p99 * 1000)


@app.lifespan
async def clock() -> AsyncIterator[None]:
    """Publishes a sample for as long as the worker runs."""

    async def publish() -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            app.publish("samples", sample(TICK_SECONDS))

    task = asyncio.create_task(publish())
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


api = Group("/api", tags=["measured"])


@api.around
async def timed(call: Next) -> Response:
    """How long the handler took."""
    began = time.perf_counter()
    try:
        return await call()
    finally:
        taken.append(time.perf_counter() - began)


@api.get("/hello/{name}")
async def hello(name: str, wait_ms: Annotated[float, Meta(ge=0, le=1000)] = 0) -> dict[str, str]:
    """What the page asks for, as fast as the browser can; wait_ms has it take longer."""
    if wait_ms:
        await asyncio.sleep(wait_ms / 1000)
    return {"hello": name}


app.include(api)


@app.get("/", hidden=True)
def page() -> File:
    """The page."""
    return File(STATIC / "index.html")


@app.get("/samples", tags=["live"])
def samples() -> EventStream[Sample]:
    """Requests of /api per second and how long they took, twice a second."""
    return app.events("samples")


@app.ws("/room")
async def room(ws: WebSocket[Msg, Msg]) -> None:
    """Everyone hears everyone."""
    ws.subscribe("room")
    async for msg in ws:
        app.publish("room", msg)


@app.post("/upload", tags=["live"], body_limit="300MB")
async def upload(file: Form[Upload]) -> Uploaded:
    """The digest of a file, which is on disk until it is told."""
    digest = await asyncio.get_running_loop().run_in_executor(None, digest_of, file.path)
    return Uploaded(file.filename, file.size, digest)


def digest_of(path: str) -> str:
    """In a thread."""
    with Path(path).open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
