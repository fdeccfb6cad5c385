"""Sends each WebSocket message back as it came."""

from typing import Any

CLOSE, BINARY, TEXT = 0, 1, 2  # of RSGI's messages


async def app(scope: Any, protocol: Any) -> None:
    socket = await protocol.accept()
    while (message := await socket.receive()).kind != CLOSE:
        if message.kind == BINARY:
            await socket.send_bytes(message.data)
        else:
            await socket.send_str(message.data)
    protocol.close()
