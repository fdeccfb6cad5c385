"""The desk in Quart."""

from quart import Quart, Response, abort, current_app, redirect, request, websocket
from quart.utils import run_sync

from desk.shared import GoneError, blocks, digest, in_group, time_out, who

done: list[str] = []

app = Quart(__name__)
app.config["MAX_CONTENT_LENGTH"] = None
app.config["BODY_TIMEOUT"] = 60


@app.before_serving
async def start() -> None:
    app.config["log"] = ["started"]


@app.after_serving
async def stop() -> None:
    done.append("stopped")


def text(value: str) -> Response:
    return Response(value, content_type="text/plain; charset=utf-8")


@app.get("/started")
async def started() -> list[str]:
    return current_app.config["log"]


@app.get("/items/<int:number>")
async def item(number: int) -> dict[str, object]:
    return {"number": number, "q": request.args.get("q", "")}


@app.post("/items")
async def add() -> tuple[dict[str, object], int]:
    return await request.get_json(), 201


@app.post("/upload")
async def upload() -> tuple[dict[str, object], int]:
    file = (await request.files)["file"]
    data = file.read()
    return {"name": file.filename, "size": len(data), "sha256": digest(data)}, 201


@app.post("/size")
async def size() -> tuple[dict[str, int], int]:
    return {"size": sum([len(block) async for block in request.body])}, 201


@app.get("/stream")
async def stream() -> Response:
    return Response(blocks(int(request.args["count"])), content_type="application/octet-stream")


@app.get("/fail")
async def fail() -> None:
    raise GoneError


@app.get("/login")
async def login() -> Response:
    response = text("hello")
    response.set_cookie("user", "ann", httponly=True)
    response.set_cookie("theme", "dark")
    return response


@app.get("/whoami")
async def whoami() -> Response:
    return text(request.cookies.get("user", "nobody"))


@app.get("/old")
async def old() -> Response:
    return redirect("/items/1", 307)


@app.get("/timeout")
async def timeout() -> Response:
    return text(await time_out())


@app.get("/group")
async def group() -> list[int]:
    return await in_group()


@app.get("/who/<name>")
async def who_is(name: str) -> Response:
    return text(await who(name))


@app.get("/blocking")
async def blocking() -> Response:
    return text(await run_sync(lambda: "from a thread")())


@app.get("/later")
async def later() -> Response:
    async def do() -> None:
        done.append("later")

    app.add_background_task(do)
    return text("soon")


@app.get("/done")
async def what_is_done() -> list[str]:
    return done


@app.websocket("/echo")
async def echo() -> None:
    await websocket.accept(subprotocol="chat" if "chat" in websocket.requested_subprotocols else None)
    try:
        while True:
            message = await websocket.receive()
            if message == "bye":
                await websocket.close(4001, "as you like")
                return
            await websocket.send(message.upper() if isinstance(message, str) else message[::-1])
    finally:
        done.append("left")


@app.websocket("/private")
async def private() -> None:
    abort(403)
