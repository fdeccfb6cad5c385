"""A hundred pieces whose length nobody knows beforehand."""

from typing import Any

FIELDS = [("content-type", "text/plain")]
PIECE = b"v" * 1024


async def app(scope: Any, protocol: Any) -> None:
    stream = protocol.response_stream(200, FIELDS)
    for _ in range(100):
        await stream.send_bytes(PIECE)
