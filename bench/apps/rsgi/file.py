"""Answers with a file by its path."""

import os
from typing import Any

PATH = os.environ["BENCH_FILE"]
FIELDS = [("content-type", "application/octet-stream"), ("content-length", str(os.path.getsize(PATH)))]


async def app(scope: Any, protocol: Any) -> None:
    protocol.response_file(200, FIELDS, PATH)
