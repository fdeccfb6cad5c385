"""Answers with a file as the server's own helper sends it."""

import os
from typing import Any

from socketify import sendfile

PATH = os.environ["BENCH_FILE"]


async def file(response: Any, request: Any) -> None:
    response.write_header("Content-Type", "application/octet-stream")
    await sendfile(response, request, PATH)


def app(server: Any) -> None:
    server.get("/", file)
