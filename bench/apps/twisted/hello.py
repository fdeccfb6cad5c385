"""The smallest answer; also what the header, pipelining and connection scenarios ask for."""

from twisted.web.resource import Resource
from twisted.web.server import Request


class Hello(Resource):
    isLeaf = True  # noqa: N815

    def render_GET(self, request: Request) -> bytes:  # noqa: N802
        request.setHeader(b"Content-Type", b"text/plain")
        return b"Hello, World!"


app = Hello()
