"""Answers with BENCH_SIZE bytes in one piece."""

import os
from collections.abc import Awaitable, Callable
from typing import Any

CONTENT = b"v" * int(os.environ["BENCH_SIZE"])
START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/octet-stream"), (b"content-length", b"%d" % len(CONTENT))],
}
BODY = {"type": "http.response.body", "body": CONTENT}


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    assert scope["type"] == "http"
    await send(START)
    await send(BODY)
