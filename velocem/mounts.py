"""Other applications below a path: WSGI and ASGI ones, each under servers of either kind."""

import asyncio
import io
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Literal, cast
from urllib.parse import quote, unquote_to_bytes

from velocem import calls
from velocem.lifespan import Lifespan
from velocem.logging import logger
from velocem.pipeline import in_thread
from velocem.types import ASGIApplication, Receive, Scope, Send, StartResponse, WSGIApplication, WSGIEnvironment

Kind = Literal["asgi", "wsgi"]
Run = Callable[[Any], Any]  # the result of a coroutine, where there is no loop that runs

BODY_MEMORY = 1 << 20  # bytes of a body that a WSGI application gets from memory; a longer one is in a file


@dataclass(frozen=True, slots=True, eq=False)
class Mount:
    """As it was written."""

    prefix: str
    app: Any
    kind: Kind
    host: str
    place: str


class Mounted:
    """In an application that runs: called as ASGI with three arguments, as WSGI with two."""

    def __init__(self, mount: Mount, run: Run | None = None) -> None:
        self.mount = mount
        self.lifespan = Lifespan(mount.app, "auto") if mount.kind == "asgi" else None
        self.run = run

    async def start(self) -> None:
        """Its own lifespan, if it has one. Raises StartError when that fails."""
        if self.lifespan is not None:
            await self.lifespan.startup()

    async def stop(self) -> None:
        if self.lifespan is not None:
            await self.lifespan.shutdown()

    def __call__(self, *arguments: Any) -> Any:
        return self.asgi(*arguments) if len(arguments) == 3 else self.wsgi(*arguments)

    async def asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.lifespan is not None:
            app: ASGIApplication = self.mount.app
            await app({**scope, "state": dict(self.lifespan.state)}, receive, send)
        elif scope["type"] == "http":
            await call_wsgi(self.mount.app, scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000, "reason": ""})

    def wsgi(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if self.mount.kind == "wsgi":
            app: WSGIApplication = self.mount.app
            return app(environ, start_response)
        if self.run is None:
            raise RuntimeError("an ASGI application under WSGI needs a loop")
        return call_asgi(self.mount.app, environ, start_response, self.run)


# --- WSGI under ASGI


async def call_wsgi(app: WSGIApplication, scope: Scope, receive: Receive, send: Send) -> None:
    """In a thread, which waits for each block that it gives to be sent: there is never more than one in memory."""
    with tempfile.SpooledTemporaryFile(BODY_MEMORY) as body:
        if not await read_body(receive, body):
            return
        loop = asyncio.get_running_loop()

        async def send_later(message: dict[str, Any]) -> None:
            await send(message)

        def send_now(message: dict[str, Any]) -> None:
            with calls.watch.paused() if calls.watch is not None else nullcontext():
                asyncio.run_coroutine_threadsafe(send_later(message), loop).result()

        await in_thread(run_wsgi, app, environ_of(scope, cast("Any", body)), send_now)


async def read_body(receive: Receive, into: Any) -> bool:
    """False when the client has gone before its end."""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return False
        into.write(message.get("body", b""))
        if not message.get("more_body"):
            into.seek(0)
            return True


def environ_of(scope: Scope, body: io.BytesIO) -> WSGIEnvironment:
    """Of PEP 3333, and SCRIPT_NAME from root_path."""
    root = scope.get("root_path", "")
    path = scope["path"]
    path = path[len(root) :] if root and path.startswith(root) else path
    host, port = scope.get("server") or ("localhost", 80)
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": root.encode().decode("latin-1"),
        "PATH_INFO": path.encode("utf-8", "surrogateescape").decode("latin-1"),
        "QUERY_STRING": scope.get("query_string", b"").decode("latin-1"),
        "SERVER_NAME": str(host),
        "SERVER_PORT": str(port or 80),
        "SERVER_PROTOCOL": f"HTTP/{scope.get('http_version', '1.1')}",
        "REMOTE_ADDR": (scope.get("client") or ("",))[0],
        "velocem.params": scope.get("path_params", {}),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": body,
        "wsgi.errors": Errors(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        key = name.decode("latin-1").upper().replace("-", "_")
        if key not in {"CONTENT_TYPE", "CONTENT_LENGTH"}:
            key = f"HTTP_{key}"
        text = value.decode("latin-1")
        if key in environ and key != "HTTP_HOST":
            text = f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{text}"
        environ[key] = text
    environ.pop("HTTP_PROXY", None)  # a script would take it for its own setting
    return environ


class Errors(io.TextIOBase):
    """wsgi.errors, as lines of the server's log."""

    def write(self, text: str) -> int:
        if text.strip():
            logger.error("%s", text.rstrip())
        return len(text)


class Reply:
    """What a WSGI application answers; the head is sent with the first block that is not empty, as PEP 3333 has it."""

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        self.send = send
        self.head: dict[str, Any] | None = None
        self.begun = False

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /
    ) -> Callable[[bytes], object]:
        if exc_info is not None and self.begun:
            raise exc_info[1].with_traceback(exc_info[2])
        if self.head is not None and exc_info is None:
            raise RuntimeError("start_response has been called already")
        pairs = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        self.head = {"type": "http.response.start", "status": int(status[:3]), "headers": pairs}
        return self.write

    def write(self, block: bytes) -> None:
        if block:
            self.begin()
            self.send({"type": "http.response.body", "body": block, "more_body": True})

    def begin(self) -> None:
        if self.head is None:
            raise RuntimeError("the application has not called start_response")
        if not self.begun:
            self.begun = True
            self.send(self.head)

    def end(self) -> None:
        self.begin()
        self.send({"type": "http.response.body", "body": b""})


def run_wsgi(app: WSGIApplication, environ: WSGIEnvironment, send: Callable[[dict[str, Any]], None]) -> None:
    """In a thread."""
    reply = Reply(send)
    blocks = app(environ, reply.start_response)
    try:
        for block in blocks:
            reply.write(block)
        reply.end()
    finally:
        close = getattr(blocks, "close", None)
        if close is not None:
            close()


# --- ASGI under WSGI


def call_asgi(
    app: ASGIApplication, environ: WSGIEnvironment, start_response: StartResponse, run: Run
) -> Iterator[bytes]:
    """On the thread's loop, which runs as long as the server waits for the next block."""
    exchange = Exchange(app, environ)
    head = run(exchange.head())
    start_response(f"{head['status']} ", [(str(n, "latin-1"), str(v, "latin-1")) for n, v in head.get("headers", ())])
    return blocks_of(exchange, run)


def blocks_of(exchange: "Exchange", run: Run) -> Iterator[bytes]:
    try:
        while (block := run(exchange.block())) is not None:
            if block:
                yield block
    finally:
        run(exchange.end())


class Exchange:
    """One call of an ASGI application, in a task, with its messages one at a time."""

    def __init__(self, app: ASGIApplication, environ: WSGIEnvironment) -> None:
        self.app = app
        self.environ = environ
        self.messages: asyncio.Queue[Any] = asyncio.Queue(1)
        self.task: asyncio.Task[None] | None = None
        self.ended = False

    async def head(self) -> Any:
        self.task = asyncio.get_running_loop().create_task(self.call())
        message = await self.messages.get()
        if isinstance(message, BaseException):
            raise message
        if message is None:
            raise RuntimeError("the application has not answered")
        return message

    async def call(self) -> None:
        try:
            await self.app(scope_of(self.environ), self.receive, self.messages.put)
        except Exception as error:  # noqa: BLE001
            await self.messages.put(error)
        else:
            await self.messages.put(None)

    async def receive(self) -> dict[str, Any]:
        length = int(self.environ.get("CONTENT_LENGTH") or 0)
        block = self.environ["wsgi.input"].read(min(length, 1 << 16)) if length and not self.ended else b""
        self.environ["CONTENT_LENGTH"] = str(length - len(block))
        if self.ended:
            await asyncio.Event().wait()  # the client is gone when the task is cancelled
        self.ended = length == len(block) or not block
        return {"type": "http.request", "body": block, "more_body": not self.ended}

    async def block(self) -> bytes | None:
        """None after the last."""
        message = await self.messages.get()
        if isinstance(message, BaseException):
            raise message
        return None if message is None else bytes(message.get("body", b""))

    async def end(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait([self.task])


def scope_of(environ: WSGIEnvironment) -> dict[str, Any]:
    """An ASGI scope of an environ; raw_path where the server tells the target."""
    root = environ.get("SCRIPT_NAME", "").encode("latin-1").decode("utf-8", "surrogateescape")
    path = (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": environ.get("SERVER_PROTOCOL", "HTTP/1.1").removeprefix("HTTP/"),
        "method": environ["REQUEST_METHOD"],
        "scheme": environ.get("wsgi.url_scheme", "http"),
        "path": path.decode("utf-8", "surrogateescape"),
        "raw_path": raw_path(environ, path),
        "query_string": environ.get("QUERY_STRING", "").encode("latin-1"),
        "root_path": root,
        "headers": headers_of(environ),
        "client": client_of(environ),
        "server": (environ.get("SERVER_NAME", ""), int(environ.get("SERVER_PORT") or 0)),
        "path_params": environ.get("velocem.params", {}),
    }


def raw_path(environ: WSGIEnvironment, path: bytes) -> bytes:
    """The path with its escapes as they came, from the variable in which gunicorn and uWSGI have it."""
    target = str(environ.get("RAW_URI") or environ.get("REQUEST_URI") or "").partition("?")[0].encode("latin-1")
    if target.startswith(b"/") and unquote_to_bytes(target) == path:
        return target
    return quote(path, safe="/-._~!$&'()*+,;=:@").encode()


def headers_of(environ: WSGIEnvironment) -> list[tuple[bytes, bytes]]:
    found = [(key[5:], value) for key, value in environ.items() if key.startswith("HTTP_")]
    found += [(key, environ[key]) for key in ("CONTENT_TYPE", "CONTENT_LENGTH") if environ.get(key)]
    return [(key.lower().replace("_", "-").encode("latin-1"), str(value).encode("latin-1")) for key, value in found]


def client_of(environ: WSGIEnvironment) -> tuple[str, int] | None:
    address = environ.get("REMOTE_ADDR")
    return (str(address), int(environ.get("REMOTE_PORT") or 0)) if address else None
