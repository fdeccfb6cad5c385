"""Sends each WebSocket message back as it came."""

from typing import Any


def echo(socket: Any, message: Any, opcode: Any) -> None:
    socket.send(message, opcode)


def app(server: Any) -> None:
    server.ws("/*", {"compression": 0, "max_payload_length": 1 << 24, "message": echo})
