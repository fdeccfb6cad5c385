"""The desk in FastAPI."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import BackgroundTasks, Cookie, FastAPI, Request, Response, UploadFile, WebSocket, WebSocketDisconnect
from fastapi.responses import PlainTextResponse, RedirectResponse, StreamingResponse
from pydantic import BaseModel

from desk.shared import GoneError, blocks, digest, in_group, time_out, who

done: list[str] = []


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, list[str]]]:
    yield {"log": ["started"]}
    done.append("stopped")


app = FastAPI(lifespan=lifespan)


class Item(BaseModel):
    name: str
    price: float


@app.get("/started")
async def started(request: Request) -> list[str]:
    return request.state.log


@app.get("/items/{number}")
async def item(number: int, q: str = "") -> dict[str, object]:
    return {"number": number, "q": q}


@app.post("/items", status_code=201)
async def add(new: Item) -> Item:
    return new


@app.post("/upload", status_code=201)
async def upload(file: UploadFile) -> dict[str, object]:
    data = await file.read()
    return {"name": file.filename, "size": len(data), "sha256": digest(data)}


@app.post("/size", status_code=201)
async def size(request: Request) -> dict[str, int]:
    return {"size": sum([len(block) async for block in request.stream()])}


@app.get("/stream")
async def stream(count: int) -> StreamingResponse:
    return StreamingResponse(blocks(count), media_type="application/octet-stream")


@app.get("/fail")
async def fail() -> None:
    raise GoneError


@app.get("/login")
async def login(response: Response) -> str:
    response.set_cookie("user", "ann", httponly=True)
    response.set_cookie("theme", "dark")
    return "hello"


@app.get("/whoami")
async def whoami(user: Annotated[str, Cookie()] = "nobody") -> PlainTextResponse:
    return PlainTextResponse(user)


@app.get("/old")
async def old() -> RedirectResponse:
    return RedirectResponse("/items/1")


@app.get("/timeout")
async def timeout() -> PlainTextResponse:
    return PlainTextResponse(await time_out())


@app.get("/group")
async def group() -> list[int]:
    return await in_group()


@app.get("/who/{name}")
async def who_is(name: str) -> PlainTextResponse:
    return PlainTextResponse(await who(name))


@app.get("/blocking")
def blocking() -> PlainTextResponse:
    """In the framework's pool of threads."""
    return PlainTextResponse("from a thread")


@app.get("/later")
async def later(tasks: BackgroundTasks) -> PlainTextResponse:
    tasks.add_task(done.append, "later")
    return PlainTextResponse("soon")


@app.get("/done")
async def what_is_done() -> list[str]:
    return done


@app.websocket("/echo")
async def echo(socket: WebSocket) -> None:
    await socket.accept("chat" if "chat" in socket.scope["subprotocols"] else None)
    try:
        while True:
            message = await socket.receive()
            if message.get("text") == "bye":
                await socket.close(4001, "as you like")
                return
            if message.get("text") is not None:
                await socket.send_text(message["text"].upper())
            elif message.get("bytes") is not None:
                await socket.send_bytes(message["bytes"][::-1])
            else:
                raise WebSocketDisconnect
    except WebSocketDisconnect:
        done.append("left")


@app.websocket("/private")
async def private(socket: WebSocket) -> None:
    await socket.close()
