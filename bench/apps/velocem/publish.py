"""What is sent to /publish goes to every WebSocket."""

from velocem import App, Body, WebSocket

app = App()


@app.ws("/")
async def listen(ws: WebSocket) -> None:
    ws.subscribe("news")
    async for _ in ws:
        pass


@app.post("/publish")
def publish(message: Body[bytes]) -> str:
    app.publish("news", message)
    return "published"
