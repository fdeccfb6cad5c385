"""A WSGI application of the tests as an ASGI one, so that the rules of HTTP are tested under both interfaces."""

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote_to_bytes

from velocem.types import ASGIApplication, Message, Receive, Scope, Send

LATIN = "latin-1"


def twin(app: Callable[[dict[str, Any], Any], Iterable[bytes]]) -> ASGIApplication:
    """It gets an environ that is made of the scope by the words of PEP 3333, and what it returns is sent."""

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        body = await read(receive)
        if body is None:
            return
        started: list[Message] = []

        def start_response(status: str, headers: list[tuple[str, str]]) -> None:
            fields = [(name.encode(LATIN), value.encode(LATIN)) for name, value in headers]
            started.append({"type": "http.response.start", "status": int(status[:3]), "headers": fields})

        await answer(app(environ_of(scope, body), start_response), started, send)

    return inner


async def read(receive: Receive) -> bytes | None:
    """The whole body; None when the client leaves before."""
    data = bytearray()
    while (message := await receive())["type"] == "http.request":
        data += message["body"]
        if not message["more_body"]:
            return bytes(data)
    return None


async def answer(result: Iterable[bytes], started: list[Message], send: Send) -> None:
    """A list is one message; of an iterator each block is one, and the end another."""
    try:
        if isinstance(result, list):
            await send(started[0])
            await send({"type": "http.response.body", "body": b"".join(result)})
            return
        for number, block in enumerate(result):
            if number == 0:
                await send(started[0])
            await send({"type": "http.response.body", "body": block, "more_body": True})
        await send({"type": "http.response.body"})
    finally:
        if hasattr(result, "close"):
            result.close()


class Body:
    """wsgi.input of a body that is here."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def read(self) -> bytes:
        return self.data


def environ_of(scope: Scope, body: bytes) -> dict[str, Any]:
    raw = unquote_to_bytes(scope["raw_path"])
    assert scope["path"] == raw.decode("utf-8", "replace")
    environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": scope["root_path"],
        "PATH_INFO": raw.decode(LATIN),
        "QUERY_STRING": scope["query_string"].decode(LATIN),
        "SERVER_PROTOCOL": "HTTP/" + scope["http_version"],
        "REMOTE_ADDR": scope["client"][0],
        "REMOTE_PORT": str(scope["client"][1]),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": Body(body),
    }
    for name, value in scope["headers"]:
        add_field(environ, name.decode(LATIN), value.decode(LATIN))
    if environ.pop("HTTP_TRANSFER_ENCODING", None) is not None:
        environ["CONTENT_LENGTH"] = str(len(body))
    return environ


def add_field(environ: dict[str, Any], name: str, value: str) -> None:
    """As CGI names it: the ambiguous ones are left out there, and ASGI gives them as they are."""
    assert name == name.lower()
    if "_" in name or name == "proxy":
        return
    key = name.upper().replace("-", "_")
    if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        key = "HTTP_" + key
    separator = "; " if name == "cookie" else ","
    environ[key] = environ[key] + separator + value if key in environ else value
