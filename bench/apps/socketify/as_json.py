"""JSON made of a dict, at a path of its own."""

from typing import Any


def as_json(response: Any, request: Any) -> None:
    response.end({"message": "Hello, World!"})


def app(server: Any) -> None:
    server.get("/json", as_json)
