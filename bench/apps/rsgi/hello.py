"""The smallest answer; also what the header, pipelining and connection scenarios ask for."""

from typing import Any

FIELDS = [("content-type", "text/plain")]


async def app(scope: Any, protocol: Any) -> None:
    protocol.response_bytes(200, FIELDS, b"Hello, World!")
