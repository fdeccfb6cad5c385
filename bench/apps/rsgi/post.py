"""Reads the body as it comes and answers with its length."""

from typing import Any

FIELDS = [("content-type", "text/plain")]


async def app(scope: Any, protocol: Any) -> None:
    size = 0
    async for piece in protocol:
        size += len(piece)
    protocol.response_bytes(200, FIELDS, b"%d" % size)
