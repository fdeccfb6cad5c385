"""The desk in BlackSheep."""

import asyncio
from collections.abc import AsyncIterator

from blacksheep import (
    Application,
    Content,
    Cookie,
    FromJSON,
    FromQuery,
    Request,
    Response,
    StreamedContent,
    WebSocket,
    WebSocketDisconnectError,
    created,
    get,
    json,
    post,
    text,
    ws,
)

from desk.shared import GoneError, blocks, digest, in_group, time_out, who

done: list[str] = []
log: list[str] = []
running: set[asyncio.Task[None]] = set()

app = Application()


@app.on_start
async def start(_app: Application) -> None:
    log[:] = ["started"]


@app.on_stop
async def stop(_app: Application) -> None:
    done.append("stopped")


@get("/started")
async def started() -> Response:
    return json(log)


@get("/items/{number}")
async def item(number: int, q: FromQuery[str | None]) -> Response:
    return json({"number": number, "q": q.value or ""})


@post("/items")
async def add(data: FromJSON[dict]) -> Response:
    return created(data.value)


@post("/upload")
async def upload(request: Request) -> Response:
    [file] = await request.files("file")
    data = file.data if isinstance(file.data, bytes) else file.data.read()
    return created({"name": file.file_name.decode(), "size": len(data), "sha256": digest(data)})


@post("/size")
async def size(request: Request) -> Response:
    return created({"size": sum([len(block) async for block in request.stream()])})


@get("/stream")
async def stream(count: int) -> Response:
    async def provider() -> AsyncIterator[bytes]:
        async for block in blocks(count):
            yield block

    return Response(200, content=StreamedContent(b"application/octet-stream", provider))


@get("/fail")
async def fail() -> None:
    raise GoneError


@get("/login")
async def login() -> Response:
    response = text("hello")
    response.set_cookie(Cookie("user", "ann", http_only=True))
    response.set_cookie(Cookie("theme", "dark"))
    return response


@get("/whoami")
async def whoami(request: Request) -> Response:
    return text(request.cookies.get("user", "nobody"))


@get("/old")
async def old() -> Response:
    return Response(307, [(b"Location", b"/items/1")])


@get("/timeout")
async def timeout() -> Response:
    return text(await time_out())


@get("/group")
async def group() -> Response:
    return json(await in_group())


@get("/who/{name}")
async def who_is(name: str) -> Response:
    return text(await who(name))


@get("/blocking")
async def blocking() -> Response:
    return text(await asyncio.to_thread(lambda: "from a thread"))


@get("/later")
async def later() -> Response:
    async def do() -> None:
        await asyncio.sleep(0)
        done.append("later")

    task = asyncio.create_task(do())
    running.add(task)
    task.add_done_callback(running.discard)
    return text("soon")


@get("/done")
async def what_is_done() -> Response:
    return Response(200, content=Content(b"application/json", repr(done).replace("'", '"').encode()))


@ws("/echo")
async def echo(websocket: WebSocket) -> None:
    await websocket.accept(subprotocol="chat" if "chat" in websocket.scope["subprotocols"] else None)
    try:
        while True:
            message = await websocket.receive()
            if message.get("text") == "bye":
                await websocket.close(4001, "as you like")
                return
            if message.get("text") is not None:
                await websocket.send_text(message["text"].upper())
            elif message.get("bytes") is not None:
                await websocket.send_bytes(message["bytes"][::-1])
            else:
                raise WebSocketDisconnectError
    except WebSocketDisconnectError:
        done.append("left")


@ws("/private")
async def private(websocket: WebSocket) -> None:
    await websocket.close()
