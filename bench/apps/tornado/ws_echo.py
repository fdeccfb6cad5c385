"""Sends each WebSocket message back as it came."""

from tornado.web import Application
from tornado.websocket import WebSocketHandler


class Echo(WebSocketHandler):
    async def on_message(self, message: str | bytes) -> None:
        await self.write_message(message, binary=isinstance(message, bytes))


app = Application([("/", Echo)], log_function=lambda _handler: None)
