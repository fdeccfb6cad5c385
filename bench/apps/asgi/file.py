"""Answers with a file: by its path where the server offers that, in blocks otherwise."""

import os
from collections.abc import Awaitable, Callable
from typing import Any

PATH = os.environ["BENCH_FILE"]
START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"application/octet-stream"),
        (b"content-length", b"%d" % os.path.getsize(PATH)),
    ],
}
BLOCK = 1 << 16  # as in Starlette's FileResponse


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    assert scope["type"] == "http"
    await send(START)
    if "http.response.pathsend" in (scope.get("extensions") or {}):
        await send({"type": "http.response.pathsend", "path": PATH})
        return
    # Read without a thread, which is the cheapest here: the file is in memory.
    with open(PATH, "rb") as file:  # noqa: ASYNC230
        while block := file.read(BLOCK):
            await send({"type": "http.response.body", "body": block, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
