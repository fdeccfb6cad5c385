"""The WSGI face of an application: one loop, and one Running, for each thread that calls it."""

import asyncio
import atexit
import contextvars
import functools
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from velocem.exceptions import title_of
from velocem.faces.answers import LARGEST_BODY, Parts, answer, bodiless, limit_of, parts_of
from velocem.faces.forms import feed, finish, form_of
from velocem.mounts import headers_of, raw_path, scope_of
from velocem.running import Running
from velocem.types import Reply, StartResponse, WSGIEnvironment
from velocem.uploads import Incoming, current, rewritten

if TYPE_CHECKING:
    from velocem._core import Call
    from velocem.app import App

BLOCK = 1 << 16  # of a form, at a time


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
