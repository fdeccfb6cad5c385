"""A hundred pieces whose length nobody knows beforehand."""

from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

PIECE = b"v" * 1024


class Chunks(Resource):
    isLeaf = True  # noqa: N815

    def render_GET(self, request: Request) -> int:  # noqa: N802
        request.setHeader(b"Content-Type", b"text/plain")
        for _ in range(100):
            request.write(PIECE)
        request.finish()
        return NOT_DONE_YET


app = Chunks()
