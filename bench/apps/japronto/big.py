"""Answers with BENCH_SIZE bytes in one piece."""

from __future__ import annotations  # its newest CPython is 3.7

import os
from typing import Any

from japronto import Application

BODY = b"v" * int(os.environ["BENCH_SIZE"])


def big(request: Any) -> Any:
    return request.Response(body=BODY, mime_type="application/octet-stream")


app = Application()
app.router.add_route("/", big)
