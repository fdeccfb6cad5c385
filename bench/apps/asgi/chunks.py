"""A hundred pieces whose length nobody knows beforehand."""

from collections.abc import Awaitable, Callable
from typing import Any

START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
PIECE = {"type": "http.response.body", "body": b"v" * 1024, "more_body": True}
END = {"type": "http.response.body", "body": b"", "more_body": False}


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    assert scope["type"] == "http"
    await send(START)
    for _ in range(100):
        await send(PIECE)
    await send(END)
