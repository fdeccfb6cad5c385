"""The smallest answer; also what the header, pipelining and connection scenarios ask for."""

from typing import Any


def hello(response: Any, request: Any) -> None:
    response.write_header("Content-Type", "text/plain").end("Hello, World!")


def app(server: Any) -> None:
    server.get("/", hello)
