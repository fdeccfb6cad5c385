"""The applications whose requests are counted; those of bench/apps change with their scenarios."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

TEXT = [("Content-Type", "text/plain")]


def hello(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", TEXT)
    return [b"Hello, World!"]


def post(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    start_response("200 OK", TEXT)
    return [b"%d bytes" % len(body)]


def generator(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
    """No length is known: ten chunks."""
    start_response("200 OK", TEXT)
    for _ in range(10):
        yield b"a block of thirty-two bytes....\n"
