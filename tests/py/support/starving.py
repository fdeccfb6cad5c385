"""A server in a process of its own whose Python allocations fail when a client asks for it."""

import _testcapi  # type: ignore[import-not-found]
import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from velocem import sockets
from velocem._core import Worker
from velocem.places import Tcp
from velocem.types import FileWrapper, StartResponse, WSGIEnvironment

NOTHING: list[bytes] = []


class Closing:
    """An iterator that has a close(), and a length of one."""

    def __init__(self) -> None:
        self.blocks = iter([b"one block"])

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[bytes]:
        return self.blocks

    def close(self) -> None:
        str(id(self))


def blocks() -> Iterator[bytes]:
    yield b""
    for number in range(40):  # more than one turn of the loop
        yield b"%d," % number


def big_blocks() -> Iterator[bytes]:
    for _ in range(4):
        yield bytes(1 << 20)


def many(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [(f"X-{number}", "value " * number) for number in range(30)])
    return [b"many"]


def raises(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    raise ValueError(start_response)


def replaced(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [])
    try:
        raise ValueError(start_response)
    except ValueError:
        start_response("418 Teapot", [], sys.exc_info())
    return [b"replaced"]


def late(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [])(b"sent")
    try:
        raise ValueError(start_response)
    except ValueError:
        start_response("500 Sorry", [], sys.exc_info())
    return NOTHING


def wrong(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Bad name", "")])
    return NOTHING


def short(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "99")])
    return [b"short"]


def write(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    written = start_response("200 OK", [])
    written(b"written")
    written(bytes(1 << 20))
    return NOTHING


def read(environ: WSGIEnvironment) -> Iterable[bytes]:
    body = environ["wsgi.input"]
    return [body.readline(), *body.readlines(1), body.read(3), body.read()]


def file(environ: WSGIEnvironment) -> Iterable[bytes]:
    wrap: FileWrapper = environ["wsgi.file_wrapper"]
    return wrap(Path(__file__).open("rb"))


def filelike(environ: WSGIEnvironment) -> Iterable[bytes]:
    wrap: FileWrapper = environ["wsgi.file_wrapper"]
    return wrap(io.BytesIO(b"x" * 20000), 8192)


STARTS = {"/" + start.__name__: start for start in (many, raises, replaced, late, wrong, short, write)}
RESULTS: dict[str, Callable[[WSGIEnvironment], Any]] = {
    "/read": read,
    "/file": file,
    "/filelike": filelike,
    "/blocks": lambda _: blocks(),
    "/big": lambda _: big_blocks(),
    "/closing": lambda _: Closing(),
    "/tuple": lambda _: (b"one ", b"two"),
    "/str": lambda _: ["no bytes"],
}


def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path in STARTS:
        return STARTS[path](environ, start_response)
    start_response("200 OK", [("Content-Type", "text/plain")])
    result: Iterable[bytes] = RESULTS[path](environ) if path in RESULTS else [path.encode()]
    return result


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/calm":
        _testcapi.remove_mem_hooks()
        start_response("200 OK", [])
        return [b"calm"]
    if environ["PATH_INFO"] == "/starve":
        first, last = map(int, environ["QUERY_STRING"].split(","))
        start_response("204 No Content", [])
        _testcapi.set_nomemory(first - 1, last)
        return NOTHING
    return answer(environ, start_response)


def report(_level: int, message: str, error: BaseException | None) -> None:
    """Not logging's way, which is long and has troubles of its own without memory."""
    os.write(2, f"{message}: {error!r}\n".encode())


def serve() -> None:
    listener = sockets.listen([Tcp("127.0.0.1", 0)], backlog=100)[0]
    print(listener.port, flush=True)
    Worker(app, sockets=[(listener.sock.fileno(), "name", "1")], log=report, body_memory=4096).run()


def construct() -> None:
    """Workers whose n-th allocation fails, until ten in a row succeed."""
    listeners = sockets.listen([Tcp("127.0.0.1", 0)], backlog=100)
    options: dict[str, Any] = {
        "sockets": [(listeners[0].sock.fileno(), "name", "1")],
        "log": print,
        "server_header": "é",
    }
    number = failed = successes = 0
    while successes < 10:
        number += 1
        worker = None
        _testcapi.set_nomemory(number - 1, number)
        try:
            worker = Worker(app, **options)
        except MemoryError:
            pass
        finally:
            _testcapi.remove_mem_hooks()
        failed += worker is None
        successes = successes + 1 if worker is not None else 0
    sockets.close(listeners)
    print(failed, flush=True)


if __name__ == "__main__":
    {"serve": serve, "construct": construct}[sys.argv[1]]()
