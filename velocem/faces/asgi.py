"""The ASGI face of an application: one Running for each loop that it is served on."""

import asyncio
import traceback
from typing import TYPE_CHECKING, Any

from velocem.exceptions import StartError
from velocem.faces.answers import answer, bodiless, limit_of, parts_of
from velocem.faces.forms import feed, finish, form_of
from velocem.groups import WEBSOCKET
from velocem.logging import logger
from velocem.router import asgi_path
from velocem.running import Running
from velocem.streams import AsgiSink, send_all
from velocem.types import Receive, Reply, Scope, Send
from velocem.uploads import Incoming, current, rewritten
from velocem.websocket import serve

if TYPE_CHECKING:
    from velocem._core import Call
    from velocem.app import App


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
