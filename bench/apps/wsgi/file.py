"""Answers with a file, through the server's file_wrapper where it has one."""

import os
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any

PATH = os.environ["BENCH_FILE"]
FIELDS = [("Content-Type", "application/octet-stream"), ("Content-Length", str(os.path.getsize(PATH)))]
BLOCK = 1 << 16


def blocks(file: IO[bytes]) -> Iterator[bytes]:
    """What PEP 3333 shows for a server without a wrapper; two of the servers choke on wsgiref's FileWrapper."""
    with file:
        while block := file.read(BLOCK):
            yield block


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", FIELDS)
    file = open(PATH, "rb")  # noqa: SIM115 - the wrapper closes it
    wrapper = environ.get("wsgi.file_wrapper")
    return wrapper(file, BLOCK) if wrapper else blocks(file)
