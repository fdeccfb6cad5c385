"""Sends each WebSocket message back as it came."""

from velocem import App, WebSocket

app = App()


@app.ws("/")
async def echo(ws: WebSocket) -> None:
    async for message in ws:
        await ws.send(message)
