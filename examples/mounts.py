"""Other applications below a path: WSGI and ASGI ones are told apart by looking, whatever server this one runs on."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from velocem import App
from velocem.types import StartResponse, WSGIEnvironment

Message = dict[str, Any]


def old(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{environ['SCRIPT_NAME']} has {environ['PATH_INFO']}".encode()]


async def new(scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Any]) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": f"{scope['root_path']} has {scope['path']}".encode()})


app = App()
app.mount("/old", old)
app.mount("/new", new)


@app.get("/")
def home() -> dict[str, str]:
    return {"wsgi": "/old/", "asgi": "/new/"}
