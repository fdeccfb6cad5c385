"""Answers with BENCH_SIZE bytes in one piece."""

import os

from robyn import Response, Robyn

BODY = b"v" * int(os.environ["BENCH_SIZE"])
app = Robyn(__file__)


@app.get("/")
def big() -> Response:
    return Response(200, {"Content-Type": "application/octet-stream"}, BODY)
