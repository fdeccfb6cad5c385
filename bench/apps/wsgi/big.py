"""Answers with BENCH_SIZE bytes in one piece."""

import os
from collections.abc import Callable, Iterable
from typing import Any

BODY = b"v" * int(os.environ["BENCH_SIZE"])
FIELDS = [("Content-Type", "application/octet-stream"), ("Content-Length", str(len(BODY)))]


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", FIELDS)
    return [BODY]
