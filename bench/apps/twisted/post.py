"""Answers with the length of the body, which the server has read."""

from twisted.web.resource import Resource
from twisted.web.server import Request


class Post(Resource):
    isLeaf = True  # noqa: N815

    def render_POST(self, request: Request) -> bytes:  # noqa: N802
        request.setHeader(b"Content-Type", b"text/plain")
        return b"%d" % len(request.content.read())


app = Post()
