"""A hundred pieces whose length nobody knows beforehand."""

from typing import Any

PIECE = b"v" * 1024


def chunks(response: Any, request: Any) -> None:
    response.write_header("Content-Type", "text/plain")
    for _ in range(99):
        response.write(PIECE)
    response.end(PIECE)


def app(server: Any) -> None:
    server.get("/", chunks)
