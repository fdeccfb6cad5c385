"""A python-socketio server with rooms, acknowledgements and binary events, and an ASGI application beside it."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import socketio

log: list[str] = []

server = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins="*")


@server.event
async def connect(sid: str, _environ: dict[str, Any], auth: dict[str, str] | None) -> None:
    if auth is None or "name" not in auth:
        raise socketio.exceptions.ConnectionRefusedError("no name")
    await server.save_session(sid, {"name": auth["name"]})


@server.event
async def disconnect(sid: str, reason: str) -> None:
    session = await server.get_session(sid)
    log.append(f"{session['name']} left: {reason}")


@server.event
async def whoami(sid: str) -> str:
    return (await server.get_session(sid))["name"]


@server.event
async def enter(sid: str, room: str) -> str:
    await server.enter_room(sid, room)
    return room


@server.event
async def say(sid: str, room: str, what: object) -> None:
    await server.emit("said", (room, what), room=room, skip_sid=sid)


@server.event
async def leave(sid: str) -> None:
    await server.disconnect(sid)


@server.event
async def reverse(_sid: str, data: bytes) -> bytes:
    return data[::-1]


async def other(scope: MutableMapping[str, Any], _receive: Callable[[], Awaitable[Any]], send: Any) -> None:
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"beside it"})


app = socketio.ASGIApp(server, other)
