"""A Core made by hand, without an App: what the C side of the native interface is tested with."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from velocem._core import MISSING, Core, Plan, RequestBase
from velocem.router import Router
from velocem.types import Receive, Reply, Scope, Send

CONST, PATH, QUERY, HEADER, COOKIE, FORM, BODY, REQUEST, BYTES = range(9)
STR, INT, FLOAT, BOOL = range(4)
MANY = 1

Leaf = tuple[int, str, int | Callable[[Any], Any] | None, int, object]


class Response:
    """Renders what it was given."""

    def __init__(self, *reply: Any) -> None:
        self.reply = reply

    def render(self) -> Any:
        return self.reply


class Request(RequestBase):
    """With the headers as a dict."""

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode("latin-1") for name, value in self.raw_headers}


def leaf(source: int, name: str, convert: Any = STR, flags: int = 0, default: object = MISSING) -> Leaf:
    return source, name, convert, flags, default


def failed(error: BaseException, request: RequestBase | None, plan: Plan | None) -> Reply:
    where = request.path if request is not None else "?"
    return 500, [(b"x-plan", b"yes" if plan is not None else b"no")], f"{type(error).__name__} at {where}".encode()


def explain(error: Exception) -> tuple[int, list[dict[str, Any]]]:
    return 400 if isinstance(error, json.JSONDecodeError) else 422, [{"loc": ["body"], "msg": type(error).__name__}]


def stream(body: Any, plan: Plan) -> Reply:
    return plan.status, [(b"content-type", b"text/event-stream")], body


async def drive(send: Callable[[bytes], Awaitable[None]], body: AsyncIterator[bytes]) -> None:
    async for data in body:
        await send(data)


class Made:
    """Routes with plans, and the core of them."""

    def __init__(self, **options: Any) -> None:
        self.router = Router()
        self.logged: list[tuple[int, str, BaseException | None]] = []
        self.options: dict[str, Any] = {
            "request_type": Request,
            "response_type": Response,
            "encode": lambda value: json.dumps(value, default=repr).encode(),
            "stream": stream,
            "drive": drive,
            "failed": failed,
            "explain": explain,
            "log": lambda *told: self.logged.append(told),
            **options,
        }

    def add(self, method: str, pattern: str, call: Callable[..., Any], *leaves: Leaf, **about: Any) -> None:
        self.router.add(method, pattern, Plan(call, leaves, **about))

    def core(self) -> Core:
        return Core(self.router, **self.options)

    def __velocem_core__(self, loop: object, *, threads: bool, development: bool) -> Core:
        return self.core()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What C hands on is answered by what is mounted."""
        await self.router.asgi(scope, receive, send)

    def ask(
        self,
        method: str,
        target: str,
        headers: dict[str, str] | list[tuple[str, str]] = {},  # noqa: B006 - it is only read
        body: bytes = b"",
        core: Core | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer; a coroutine must not wait."""
        path, _, query = target.partition("?")
        pairs = headers.items() if isinstance(headers, dict) else headers
        call = (core or self.core()).call(
            method, path.encode(), query.encode(), [(name.encode(), value.encode("latin-1")) for name, value in pairs]
        )
        if call.reply is None:
            coroutine = call.start(body)
            if coroutine is not None:
                try:
                    coroutine.send(None)
                except StopIteration as done:
                    call.finish(done.value)
                except BaseException as error:
                    call.fail(error)
        assert call.reply is not None
        status, answer, data = call.reply[:3]
        return status, {name.decode(): value.decode("latin-1") for name, value in answer}, data


def one(call: Callable[..., Any], *leaves: Leaf, **about: Any) -> Made:
    """A core with one route for GET and POST of "/"."""
    made = Made()
    made.router.add(("GET", "POST"), "/", Plan(call, leaves, **about))
    return made
