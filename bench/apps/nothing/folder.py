"""What is behind a server that serves the files itself."""

from typing import Any


async def app(scope: Any, protocol: Any) -> None:
    protocol.response_empty(404, [])
