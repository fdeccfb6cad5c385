"""Reads the body and answers with its length."""

from typing import Any


async def post(response: Any, request: Any) -> None:
    body = await response.get_data()
    size = len(body.getvalue())
    response.cork(lambda response: response.write_header("Content-Type", "text/plain").end(str(size)))


def app(server: Any) -> None:
    server.post("/", post)
