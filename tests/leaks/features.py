"""The application of test_flat_memory: a feature per path, and what the process holds."""

import gc
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

TEXT = [("Content-Type", "text/plain")]
FILE = Path(__file__)
PAGE = os.sysconf("SC_PAGE_SIZE")


def hello(environ: dict[str, Any], start_response: Any) -> Any:
    start_response("200 OK", TEXT)
    return [b"hello"]


def not_found(environ: dict[str, Any], start_response: Any) -> Any:
    start_response("404 Not Found", TEXT)
    return (b"not ", b"found")


def post(environ: dict[str, Any], start_response: Any) -> Any:
    stream = environ["wsgi.input"]
    size = len(stream.readline(10)) + len(stream.read(5)) + sum(map(len, stream))
    start_response("200 OK", [*TEXT, ("X-Size", str(size))])
    return [b"%d" % size]


def generator(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", TEXT)
    yield b"gene"
    yield b"rator"


def late(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    yield b""
    start_response("200 OK", TEXT)
    yield b"late"


def exception(environ: dict[str, Any], start_response: Any) -> Any:
    start_response("200 OK", TEXT)
    raise ValueError(environ["PATH_INFO"])


def refused(environ: dict[str, Any], start_response: Any) -> Any:
    try:
        start_response("200 OK", [*[(f"X-{i}", "v" * i) for i in range(20)], ("X-Bad", "a\nb")])
    except ValueError as error:
        start_response("400 Bad Request", TEXT, (ValueError, error, error.__traceback__))
    return [b"refused"]


def write(environ: dict[str, Any], start_response: Any) -> Any:
    start_response("200 OK", TEXT)(b"written")
    return []


def file(environ: dict[str, Any], start_response: Any) -> Any:
    start_response("200 OK", [*TEXT, ("Content-Length", "100")])
    return environ["wsgi.file_wrapper"](FILE.open("rb", 0))


def endless(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", TEXT)
    while True:
        yield b"x" * 60_000


def held(environ: dict[str, Any], start_response: Any) -> Any:
    """Resident bytes, blocks of the allocator, open descriptors."""
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE
    start_response("200 OK", TEXT)
    return [b"%d %d %d" % (resident, sys.getallocatedblocks(), len(os.listdir("/proc/self/fd")))]


def references(environ: dict[str, Any], start_response: Any) -> Any:
    """Of a debug build: how many there are in all."""
    gc.collect()
    start_response("200 OK", TEXT)
    return [b"%d" % sys.gettotalrefcount()]


def quiet(environ: dict[str, Any], start_response: Any) -> Any:
    """No traceback of the exceptions to come."""
    logging.getLogger("velocem").setLevel(logging.CRITICAL)
    start_response("200 OK", TEXT)
    return [b"quiet"]


FEATURES: dict[str, Callable[[dict[str, Any], Any], Any]] = {
    f"/{function.__name__}": function
    for function in (
        hello, not_found, post, generator, late, exception, refused, write, file, endless, held, references, quiet,
    )
}  # fmt: skip


def app(environ: dict[str, Any], start_response: Any) -> Any:
    return FEATURES[environ["PATH_INFO"]](environ, start_response)
