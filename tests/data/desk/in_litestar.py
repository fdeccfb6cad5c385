"""The desk in Litestar."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from litestar import Litestar, MediaType, Request, Response, WebSocket, get, post, websocket
from litestar.background_tasks import BackgroundTask
from litestar.datastructures import Cookie, State, UploadFile
from litestar.exceptions import WebSocketDisconnect
from litestar.params import FromPath, FromQuery, JSONBody, MultipartBody
from litestar.response import Redirect, Stream

from desk.shared import GoneError, blocks, digest, in_group, time_out, who

done: list[str] = []


@asynccontextmanager
async def lifespan(app: Litestar) -> AsyncIterator[None]:
    app.state.log = ["started"]
    yield
    done.append("stopped")


@dataclass
class Item:
    name: str
    price: float


@get("/started")
async def started(state: State) -> list[str]:
    return state.log


@get("/items/{number:int}")
async def item(number: FromPath[int], q: FromQuery[str] = "") -> dict[str, object]:
    return {"number": number, "q": q}


@post("/items")
async def add(data: JSONBody[Item]) -> Item:
    return data


@post("/upload")
async def upload(data: MultipartBody[dict[str, UploadFile]]) -> dict[str, object]:
    content = await data["file"].read()
    return {"name": data["file"].filename, "size": len(content), "sha256": digest(content)}


@post("/size")
async def size(request: Request) -> dict[str, int]:
    return {"size": sum([len(block) async for block in request.stream()])}


@get("/stream")
async def stream(count: FromQuery[int]) -> Stream:
    return Stream(blocks(count), media_type="application/octet-stream")


@get("/fail")
async def fail() -> None:
    raise GoneError


@get("/login")
async def login() -> Response[str]:
    return Response("hello", cookies=[Cookie("user", value="ann", httponly=True), Cookie("theme", value="dark")])


@get("/whoami", media_type=MediaType.TEXT)
async def whoami(request: Request) -> str:
    return request.cookies.get("user", "nobody")


@get("/old", status_code=307)
async def old() -> Redirect:
    return Redirect("/items/1", status_code=307)


@get("/timeout", media_type=MediaType.TEXT)
async def timeout() -> str:
    return await time_out()


@get("/group")
async def group() -> list[int]:
    return await in_group()


@get("/who/{name:str}", media_type=MediaType.TEXT)
async def who_is(name: FromPath[str]) -> str:
    return await who(name)


@get("/blocking", media_type=MediaType.TEXT, sync_to_thread=True)
def blocking() -> str:
    return "from a thread"


@get("/later", media_type=MediaType.TEXT)
async def later() -> Response[str]:
    return Response("soon", background=BackgroundTask(done.append, "later"))


@get("/done")
async def what_is_done() -> list[str]:
    return done


@websocket("/echo")
async def echo(socket: WebSocket) -> None:
    await socket.accept(subprotocols="chat" if "chat" in socket.scope["subprotocols"] else None)
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
                raise WebSocketDisconnect(detail="")
    except WebSocketDisconnect:
        done.append("left")


@websocket("/private")
async def private(socket: WebSocket) -> None:
    await socket.close()


app = Litestar(
    [
        started, item, add, upload, size, stream, fail, login, whoami, old, timeout, group, who_is, blocking, later,
        what_is_done, echo, private,
    ],
    lifespan=[lifespan],
    request_max_body_size=None,
)  # fmt: skip
