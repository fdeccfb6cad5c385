"""A WebSocket with typed messages, and a topic for each room: velocem examples.chat:app."""

from msgspec import Struct

from velocem import App, WebSocket

app = App()


class Msg(Struct):
    """What is said, and by whom."""

    who: str
    text: str


@app.ws("/chat/{room}")
async def chat(ws: WebSocket[Msg, Msg], room: str) -> None:
    """A message that is no Msg closes the socket with 1007, and says what is wrong with it."""
    ws.subscribe(room)
    async for msg in ws:
        app.publish(room, msg)
