"""Sends each WebSocket message back as it came."""

from typing import Any

from robyn import Robyn

app = Robyn(__file__)


@app.websocket("/")
async def echo(websocket: Any) -> None:
    while True:
        await websocket.send_bytes(await websocket.receive_bytes())
