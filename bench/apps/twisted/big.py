"""Answers with BENCH_SIZE bytes in one piece."""

import os

from twisted.web.resource import Resource
from twisted.web.server import Request

BODY = b"v" * int(os.environ["BENCH_SIZE"])


class Big(Resource):
    isLeaf = True  # noqa: N815

    def render_GET(self, request: Request) -> bytes:  # noqa: N802
        request.setHeader(b"Content-Type", b"application/octet-stream")
        return BODY


app = Big()
