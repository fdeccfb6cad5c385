"""The files of BENCH_STATIC for a server that has nothing for files: in memory, read when it starts."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

FILES = {f"/static/{path.name}": path.read_bytes() for path in Path(os.environ["BENCH_STATIC"]).iterdir()}


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = FILES.get(environ["PATH_INFO"])
    if body is None:
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"not here"]
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(len(body)))])
    return [body]
