"""The faces of an application: what servers of ASGI, WSGI and RSGI call, each over the same core."""

import asyncio
import atexit
import contextvars
import functools
import os
import threading
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from velocem._core import FileParts
from velocem.exceptions import HTTPError, StartError, title_of
from velocem.groups import WEBSOCKET
from velocem.logging import logger
from velocem.mounts import headers_of, raw_path, scope_of
from velocem.router import asgi_path
from velocem.running import Running
from velocem.streams import AsgiSink, send_all
from velocem.types import Receive, Reply, Scope, Send, StartResponse, WSGIEnvironment
from velocem.uploads import Incoming, begin, current, rewritten
from velocem.websocket import serve

if TYPE_CHECKING:
    from velocem._core import Call
    from velocem.app import App

LARGEST_BODY = 1 << 30  # where neither a route nor Limits says less: as the server's own --limit-body
BLOCK = 1 << 16  # of a form, at a time
BODILESS = frozenset({204, 304})
FILE_BLOCK = 1 << 16


def bodiless(method: str, status: int) -> bool:
    return method == "HEAD" or status in BODILESS or status < 200


class Parts(NamedTuple):
    """Of a reply, with the length of a body that is there."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: Any  # bytes, or an async iterator of them
    after: Callable[[], Any] | None

    async def close(self) -> None:
        """However the response ended: a body that is a stream is closed, and what comes after is done."""
        try:
            if hasattr(self.body, "aclose"):
                await self.body.aclose()
        finally:
            if self.after is not None and (waits := self.after()) is not None:
                await waits


def parts_of(reply: Reply) -> Parts:
    status, headers, body = reply[0], list(reply[1]), reply[2]
    length = len(body) if isinstance(body, bytes) else body.length if isinstance(body, FileParts) else None
    known = status in BODILESS or status < 200 or any(name.lower() == b"content-length" for name, _ in headers)
    if length is not None and not known:
        headers.append((b"content-length", str(length).encode()))
    content = blocks_of(body) if isinstance(body, FileParts) else body
    return Parts(status, headers, content, reply[3] if len(reply) == 4 else None)


async def blocks_of(parts: FileParts) -> AsyncIterator[bytes]:
    """A file's, read as they are sent."""
    for part in parts:
        if isinstance(part, bytes):
            yield part
            continue
        at, end = part[0], sum(part)
        while at < end:
            block = os.pread(parts.fileno(), min(end - at, FILE_BLOCK), at)
            if not block:
                raise OSError("a file has become shorter while it was sent")
            yield block
            at += len(block)


async def answer(call: "Call", body: bytes) -> Reply:
    """The reply of a call, whatever its handler does; CancelledError goes through."""
    if call.reply is None and len(body) > limit_of(call):
        call.refuse(413)
    coroutine = call.start(body) if call.reply is None else None
    if coroutine is not None:
        try:
            result = await coroutine
        except Exception as error:  # noqa: BLE001
            call.fail(error)
        else:
            call.finish(result)
    reply: Reply | None = call.reply
    if reply is None:
        raise RuntimeError("the core has not answered")
    return reply


def limit_of(call: "Call") -> int:
    return call.body_limit if call.body_limit >= 0 else LARGEST_BODY


# --- ASGI


class Asgi:
    """The application's ASGI face: one Running for each loop that it is served on."""

    def __init__(self, app: "App") -> None:
        self.app = app
        self.running: dict[asyncio.AbstractEventLoop, Running] = {}  # as long as it is served on it

    def of_loop(self, loop: asyncio.AbstractEventLoop) -> Running | None:
        """What has been started on it."""
        return self.running.get(loop)

    async def start(self, **options: Any) -> Running:
        """For the running loop. Raises as Running.start() does."""
        for loop in [loop for loop in self.running if loop.is_closed()]:
            del self.running[loop]
        running = Running(self.app, **options)
        await running.start()
        self.running[asyncio.get_running_loop()] = running
        return running

    async def stop(self) -> None:
        """For the running loop."""
        running = self.running.pop(asyncio.get_running_loop(), None)
        if running is not None:
            await running.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.lifespan(receive, send)
            return
        running = self.running.get(asyncio.get_running_loop()) or await self.start()  # of a server without lifespan
        answers = self.http if scope["type"] == "http" else self.websocket
        if not await answers(running, scope, receive, send):
            await running.router.asgi(scope, receive, send)

    async def lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.start()
        except Exception as error:  # noqa: BLE001
            if not isinstance(error, StartError):
                logger.error("the application failed to start", exc_info=error)
            text = str(error) if isinstance(error, StartError) else traceback.format_exception_only(error)[-1].strip()
            await send({"type": "lifespan.startup.failed", "message": text})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def websocket(self, running: Running, scope: Scope, receive: Receive, send: Send) -> bool:
        """False for what is mounted."""
        call = self.call(running, scope, WEBSOCKET)
        if call.mounted:
            return False
        await serve(call, scope, receive, send, running.hub)
        return True

    def call(self, running: Running, scope: Scope, method: str) -> "Call":
        path, decoded = asgi_path(scope)
        return running.core().call(
            method,
            path.encode("utf-8", "surrogateescape" if decoded else "strict"),
            scope.get("query_string", b""),
            scope["headers"],
            client=pair(scope.get("client")),
            server=pair(scope.get("server")),
            scheme=scope.get("scheme", "http"),
            root_path=scope.get("root_path", ""),
            http_version=scope.get("http_version", "1.1"),
            decoded=decoded,
        )

    async def http(self, running: Running, scope: Scope, receive: Receive, send: Send) -> bool:
        """False for what is mounted."""
        call = self.call(running, scope, scope["method"])
        if call.mounted:
            return False
        form = form_of(call, scope["headers"], self.app)
        if form is not None:
            await self.upload(running, form, call, scope, receive, send)
            return True
        body = await read(receive, limit_of(call)) if call.wants_body and call.reply is None else b""
        if body is not None:  # else the client has gone before it had said what it wants
            await respond(await answer(call, body), scope["method"], receive, send)
        return True

    async def upload(  # noqa: PLR0917
        self, running: Running, form: Incoming, call: "Call", scope: Scope, receive: Receive, send: Send
    ) -> None:
        """A form with files, which are on disk before the handler is called."""
        token = current.set(form)
        try:
            body = await read_form(receive, form, call)
            if body is not None:
                headers = rewritten(scope["headers"], body)
                call = call if call.reply else self.call(running, {**scope, "headers": headers}, scope["method"])
                await respond(await answer(call, body), scope["method"], receive, send)
        finally:
            current.reset(token)
            if not form.held:
                form.close()


def form_of(call: "Call", headers: Any, app: "App") -> Incoming | None:
    """One that is to be read piece by piece; where it cannot be, the call is answered."""
    try:
        return begin(call, headers, app.form_limits)
    except HTTPError as error:
        call.fail(error)
        return None


async def read_form(receive: Receive, form: Incoming, call: "Call") -> bytes | None:
    """What is left of it without its files; empty where the call has been answered, None when its client is gone."""
    size, limit = 0, limit_of(call)
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return None
        data: bytes = message.get("body", b"")
        size += len(data)
        if not feed(form, call, data if size <= limit else None):
            return b""
        more = message.get("more_body", False)
    return finish(form, call)


def feed(form: Incoming, call: "Call", data: bytes | None) -> bool:
    """False when that was too much (None), or is no form, and the call is answered."""
    try:
        if data is not None:
            form.feed(data)
            return True
        call.refuse(413)
    except HTTPError as error:
        call.fail(error)
    return False


def finish(form: Incoming, call: "Call") -> bytes:
    try:
        return form.finish()
    except HTTPError as error:
        call.fail(error)
        return b""


def pair(value: Any) -> Any:
    return tuple(value) if value is not None else None


async def read(receive: Receive, limit: int) -> bytes | None:
    """A body, as far as one byte over the limit; None when its client is gone."""
    found = bytearray()
    while len(found) <= limit:
        message = await receive()
        if message["type"] != "http.request":
            return None
        found += message.get("body", b"")
        if not message.get("more_body"):
            break
    return bytes(found)


async def respond(reply: Reply, method: str, receive: Receive, send: Send) -> None:
    parts = parts_of(reply)
    status, body = parts.status, parts.body
    try:
        await send({"type": "http.response.start", "status": status, "headers": parts.headers})
        if isinstance(body, bytes):
            await send({"type": "http.response.body", "body": b"" if bodiless(method, status) else body})
            return
        if not bodiless(method, status):
            if getattr(body, "events", False):  # which may let wait for the first: servers send the head with a body
                await send({"type": "http.response.body", "body": b"", "more_body": True})
            await send_all(AsgiSink(receive, send), body)
        await send({"type": "http.response.body", "body": b""})
    finally:
        await parts.close()


# --- WSGI


class Wsgi:
    """The application's WSGI face: one loop, and one Running, for each thread that calls it."""

    def __init__(self, app: "App") -> None:
        self.app = app
        self.local = threading.local()

    def thread(self) -> "ThreadLoop":
        found: ThreadLoop | None = getattr(self.local, "loop", None)
        if found is None:
            found = self.local.loop = ThreadLoop(self.app)
        return found

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        thread = self.thread()
        path = environ.get("PATH_INFO", "").encode("latin-1") or b"/"
        whole = raw_path(environ, environ.get("SCRIPT_NAME", "").encode("latin-1") + path)
        script = raw_path({}, environ.get("SCRIPT_NAME", "").encode("latin-1"))
        names = ("client", "server", "scheme", "root_path", "http_version")
        make: Callable[[Any], Call] = functools.partial(
            thread.running.core().call,
            environ["REQUEST_METHOD"],
            whole[len(script) :] if whole.startswith(script) else raw_path({}, path),
            environ.get("QUERY_STRING", "").encode("latin-1"),
            **{name: scope_of(environ)[name] for name in names},
        )
        headers = headers_of(environ)
        call = make(headers)
        if call.mounted:
            return thread.running.router.wsgi(environ, start_response)
        form = form_of(call, headers, self.app)
        if form is not None:
            return self.upload(thread, form, call, make, environ, start_response)
        body = self.body(environ, limit_of(call)) if call.wants_body and call.reply is None else b""
        return thread.respond(thread.run(answer(call, body)), environ["REQUEST_METHOD"], start_response)

    def upload(  # noqa: PLR0917
        self,
        thread: "ThreadLoop",
        form: Incoming,
        call: "Call",
        make: Callable[[Any], "Call"],
        environ: WSGIEnvironment,
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        """A form with files, which are on disk before the handler is called."""
        left = min(int(environ.get("CONTENT_LENGTH") or LARGEST_BODY), limit_of(call) + 1)
        size, limit = 0, limit_of(call)
        token = current.set(form)
        try:
            while left and (data := environ["wsgi.input"].read(min(left, BLOCK))):
                left -= len(data)
                size += len(data)
                if not feed(form, call, data if size <= limit else None):
                    break
            body = finish(form, call) if call.reply is None else b""
            call = call if call.reply else make(rewritten(headers_of(environ), body))
            return thread.respond(thread.run(answer(call, body)), environ["REQUEST_METHOD"], start_response)
        finally:
            current.reset(token)
            if not form.held:
                form.close()

    def body(self, environ: WSGIEnvironment, limit: int) -> bytes:
        """As far as one byte over the limit."""
        given = environ["wsgi.input"]
        if environ.get("CONTENT_LENGTH"):
            return cast("bytes", given.read(min(int(environ["CONTENT_LENGTH"]), limit + 1)))
        # Without a length there is a body only where the server says that it ends by itself.
        chunked = environ.get("wsgi.input_terminated") or environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked"
        return cast("bytes", given.read(limit + 1)) if chunked else b""


class ThreadLoop:
    """An event loop that runs while its thread has something to wait for."""

    def __init__(self, app: "App") -> None:
        self.loop = asyncio.new_event_loop()
        self.running = Running(app, threads=None, run=self.run)
        try:
            self.run(self.running.start())
        except BaseException:
            self.loop.close()
            raise
        atexit.register(self.close)

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Its result; in the context of the request that the thread is at."""
        task = self.loop.create_task(coroutine, context=contextvars.copy_context())
        return self.loop.run_until_complete(task)

    def close(self) -> None:
        """At the end of the process."""
        if not self.loop.is_closed():
            with suppress(RuntimeError):
                self.loop.run_until_complete(self.running.stop())
                self.loop.close()

    def respond(self, reply: Reply, method: str, start_response: StartResponse) -> Iterable[bytes]:
        parts = parts_of(reply)
        pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in parts.headers]
        start_response(f"{parts.status} {title_of(parts.status)}", pairs)
        empty = bodiless(method, parts.status)
        if isinstance(parts.body, bytes) and parts.after is None and not self.running.endings.tasks:
            return [] if empty else [parts.body]
        return Blocks(self, parts, empty=empty)


class Blocks:
    """The blocks of a body, for servers of WSGI: its close() comes after the response."""

    def __init__(self, thread: ThreadLoop, parts: Parts, *, empty: bool) -> None:
        self.thread = thread
        self.parts = parts
        self.empty = empty
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        if self.empty:
            return
        if isinstance(self.parts.body, bytes):
            yield self.parts.body
            return
        end = object()
        while (block := self.thread.run(anext_of(self.parts.body, end))) is not end:
            if block:
                yield block

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.thread.run(self.parts.close())
            self.thread.run(self.thread.running.endings.settle())


async def anext_of(body: Any, end: object) -> Any:
    return await anext(body.__aiter__(), end)
