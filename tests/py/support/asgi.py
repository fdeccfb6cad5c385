"""What the ASGI conformance tests share: applications that say what they saw, and asking once."""

from typing import Any, Unpack

from support.client import Client, Response, request
from velocem import Server
from velocem.config import Options
from velocem.types import ASGIApplication, Message, Receive, Scope, Send

App = ASGIApplication


def start(status: int = 200, *headers: tuple[bytes, bytes], **more: Any) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers), **more}


def body(data: bytes = b"", *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}


async def answer(send: Send, data: bytes = b"", status: int = 200) -> None:
    await send(start(status))
    await send(body(data))


async def read(receive: Receive) -> bytes:
    """The whole body of the request."""
    data: bytes = b""
    while True:
        message = await receive()
        assert message["type"] == "http.request"
        data += message["body"]
        if not message["more_body"]:
            return data


def http_only(app: App) -> App:
    """Without a lifespan, as most small applications are."""

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] in ("http", "websocket")
        await app(scope, receive, send)

    return inner


def ask(app: App, data: bytes = b"", *, head: bool = False, **options: Unpack[Options]) -> Response:
    """One request, GET / unless given, to a server of its own."""
    with Server(http_only(app), **options) as server, Client(server) as client:
        return client.ask(data or request(), head=head or data.startswith(b"HEAD "))


def scope_of(data: bytes, **options: Unpack[Options]) -> Scope:
    """What an application is told of a request."""
    scopes: list[Scope] = []

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await answer(send)

    assert ask(app, data, **options).status == 200
    return scopes[0]


def error_of(app: App, data: bytes = b"") -> tuple[str, Response]:
    """What the application's own awaits raised, and what the client got."""
    raised: list[str] = []

    async def outer(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except Exception as error:
            raised.append(f"{type(error).__name__}: {error}")
            raise

    response = ask(outer, data)
    assert len(raised) == 1
    return raised[0], response
