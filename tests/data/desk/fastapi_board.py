"""A message board in FastAPI with what its users lean on: dependencies, forms, events, WebSockets, and a lifespan."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, TypedDict

from fastapi import (
    BackgroundTasks,
    Depends,
    FastAPI,
    File,
    Form,
    Header,
    HTTPException,
    Request,
    UploadFile,
    WebSocket,
    WebSocketDisconnect,
)
from fastapi.middleware.cors import CORSMiddleware
from sse_starlette.sse import EventSourceResponse, ServerSentEvent

from desk.shared import digest

log: list[str] = []


class State(TypedDict):
    board: list[str]
    readers: set[asyncio.Queue[str]]


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[State]:
    log.append("start")
    yield {"board": ["first"], "readers": set()}
    log.append("stop")


app = FastAPI(lifespan=lifespan)
app.add_middleware(CORSMiddleware, allow_origins=["https://elsewhere.test"], allow_methods=["*"])


async def session() -> AsyncIterator[str]:
    """Closed behind the response."""
    log.append("session opened")
    try:
        yield "session"
    finally:
        log.append("session closed")


def blocking() -> Iterator[str]:
    """Run in a thread, at both ends."""
    log.append("thread opened")
    yield "thread"
    log.append("thread closed")


async def user(x_user: Annotated[str | None, Header()] = None) -> str:
    if x_user is None:
        raise HTTPException(401, "who are you?")
    return x_user


@app.get("/dependencies")
async def dependencies(
    one: Annotated[str, Depends(session)], two: Annotated[str, Depends(blocking)], who: Annotated[str, Depends(user)]
) -> list[str]:
    return [one, two, who]


@app.get("/board")
async def board(request: Request) -> list[str]:
    return request.state.board


@app.post("/board", status_code=201)
async def post(
    request: Request,
    tasks: BackgroundTasks,
    text: Annotated[str, Form(min_length=2)],
    who: Annotated[str, Depends(user)],
) -> str:
    def note() -> None:
        log.append(f"noted {who}")

    request.state.board.append(text)
    for reader in request.state.readers:
        reader.put_nowait(text)
    tasks.add_task(note)
    return text


@app.post("/pictures")
async def pictures(title: Annotated[str, Form()], files: Annotated[list[UploadFile], File()]) -> dict[str, object]:
    return {"title": title, "files": {file.filename: digest(await file.read()) for file in files}}


@app.get("/events")
async def events(request: Request) -> EventSourceResponse:
    mine: asyncio.Queue[str] = asyncio.Queue()

    async def follow() -> AsyncIterator[ServerSentEvent]:
        request.state.readers.add(mine)
        try:
            yield ServerSentEvent("welcome", event="hello", id="0")
            while True:
                yield ServerSentEvent(await mine.get(), event="post")
        finally:
            request.state.readers.discard(mine)
            log.append("reader left")

    return EventSourceResponse(follow())


@app.get("/watched")
async def watched(request: Request) -> None:
    """It looks after its client while it works."""
    for _ in range(10_000):
        if await request.is_disconnected():
            log.append("saw it leave")
            return
        await asyncio.sleep(0.005)


@app.websocket("/board/{room}")
async def live(socket: WebSocket, room: str, who: Annotated[str, Depends(session)]) -> None:
    await socket.accept(headers=[(b"x-room", room.encode())])
    try:
        async for message in socket.iter_json():
            socket.state.board.append(message["text"])
            await socket.send_json({"room": room, "who": who, "count": len(socket.state.board)})
    except WebSocketDisconnect:
        log.append("never seen: iter_json() ends")
    log.append(f"left {room}")
