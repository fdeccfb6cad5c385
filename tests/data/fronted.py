"""What the tests of fronts serve: the same for WSGI and ASGI, so that the fronts cannot tell."""

import asyncio
import hashlib
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

Start = Callable[[str, list[tuple[str, str]]], object]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

PIECE = bytes(range(256)) * 64
SIGN_SECONDS = 10


def app(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path.startswith("/stream/"):
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        return (PIECE for _ in range(int(path.rpartition("/")[2])))
    if path == "/drip":
        start_response("200 OK", [("Content-Type", "text/plain"), ("X-Accel-Buffering", "no")])
        return drip(Path(environ["QUERY_STRING"]))
    if path == "/fails":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return fail()
    data = answer(environ)
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(data)))])
    return [data]


def drip(sign: Path) -> Iterator[bytes]:
    """The second line comes once whoever has read the first gives a sign."""
    yield b"first\n"
    end = time.monotonic() + SIGN_SECONDS
    while not sign.exists() and time.monotonic() < end:
        time.sleep(0.01)
    yield b"second\n" if sign.exists() else b"nobody has read the first\n"


def fail() -> Iterator[bytes]:
    yield b"begun"
    raise RuntimeError("in the midst of it")


def answer(environ: dict[str, Any]) -> bytes:
    path = environ["PATH_INFO"]
    if path == "/body":
        return digest(environ["wsgi.input"].read())
    if path == "/environ":
        told = {key: value for key, value in environ.items() if isinstance(value, str)}
        return json.dumps(told).encode()
    return b"hello"


def digest(body: bytes) -> bytes:
    return json.dumps([len(body), hashlib.sha256(body).hexdigest()]).encode()


async def asgi(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await websocket(receive, send)
        return
    assert scope["type"] == "http"
    body = b""
    if scope["path"] == "/body":
        body = await read(receive)
    if scope["path"].startswith(("/stream/", "/drip", "/fails")):
        await stream(scope, send)
        return
    data = {"/body": lambda: digest(body), "/environ": lambda: told(scope)}.get(scope["path"], lambda: b"hello")()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": data})


async def stream(scope: dict[str, Any], send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-accel-buffering", b"no")]})
    async for piece in pieces(scope):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body"})


async def pieces(scope: dict[str, Any]) -> AsyncIterator[bytes]:
    if scope["path"] == "/fails":
        yield b"begun"
        raise RuntimeError("in the midst of it")
    if scope["path"] == "/drip":
        sign = Path(scope["query_string"].decode())
        yield b"first\n"
        end = time.monotonic() + SIGN_SECONDS
        while not os.access(sign, os.F_OK) and time.monotonic() < end:
            await asyncio.sleep(0.01)
        yield b"second\n" if os.access(sign, os.F_OK) else b"nobody has read the first\n"
        return
    for _ in range(int(scope["path"].rpartition("/")[2])):
        yield PIECE


def told(scope: dict[str, Any]) -> bytes:
    return json.dumps(
        {
            "REMOTE_ADDR": scope["client"][0],
            "wsgi.url_scheme": scope["scheme"],
            "PATH_INFO": scope["path"],
            "SCRIPT_NAME": scope["root_path"],
            "QUERY_STRING": scope["query_string"].decode(),
            "HTTP_HOST": dict(scope["headers"])[b"host"].decode(),
            "raw_path": scope["raw_path"].decode(),
        }
    ).encode()


async def read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message["body"]
        if not message["more_body"]:
            return bytes(body)


async def websocket(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "websocket.connect":
            await send({"type": "websocket.accept"})
        elif message["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})
        else:
            return
