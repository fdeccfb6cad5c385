"""What is sent to /publish goes to every WebSocket."""

from typing import Any


def app(server: Any) -> None:
    async def publish(response: Any, request: Any) -> None:
        message = await response.get_data()
        server.publish("news", message.getvalue())
        response.cork(lambda response: response.write_header("Content-Type", "text/plain").end("published"))

    def listen(socket: Any) -> None:
        socket.subscribe("news")

    server.post("/publish", publish)
    server.ws("/*", {"compression": 0, "open": listen})
