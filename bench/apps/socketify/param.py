"""A parameter of the path."""

from typing import Any


def user(response: Any, request: Any) -> None:
    number = int(request.get_parameter(0))
    response.write_header("Content-Type", "text/plain").end(f"user {number}")


def app(server: Any) -> None:
    server.get("/users/:number", user)
