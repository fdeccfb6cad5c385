"""Reads the body as it comes and answers with its length."""

from tornado.web import Application, RequestHandler, stream_request_body


@stream_request_body
class Post(RequestHandler):
    def prepare(self) -> None:
        self.size = 0

    def data_received(self, chunk: bytes) -> None:
        self.size += len(chunk)

    def post(self) -> None:
        self.set_header("Content-Type", "text/plain")
        self.write(b"%d" % self.size)

    def compute_etag(self) -> None:
        """No other server hashes its answers."""


app = Application([("/", Post)], log_function=lambda _handler: None)
