"""Answers with BENCH_SIZE bytes in one piece."""

import os
from typing import Any

BODY = b"v" * int(os.environ["BENCH_SIZE"])


def big(response: Any, request: Any) -> None:
    response.write_header("Content-Type", "application/octet-stream").end(BODY)


def app(server: Any) -> None:
    server.get("/", big)
