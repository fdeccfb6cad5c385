"""A generator of 100 pieces whose length nobody knows beforehand."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

PIECE = b"v" * 1024


def pieces() -> Iterator[bytes]:
    for _ in range(100):
        yield PIECE


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return pieces()
