"""Answers with BENCH_SIZE bytes in one piece."""

import os
from typing import Any

BODY = b"v" * int(os.environ["BENCH_SIZE"])
FIELDS = [("content-type", "application/octet-stream")]


async def app(scope: Any, protocol: Any) -> None:
    protocol.response_bytes(200, FIELDS, BODY)
