"""The smallest answer; also what the header, pipelining and connection scenarios ask for."""

from tornado.web import Application, RequestHandler


class Hello(RequestHandler):
    def get(self) -> None:
        self.set_header("Content-Type", "text/plain")
        self.write(b"Hello, World!")

    def compute_etag(self) -> None:
        """No other server hashes its answers."""


app = Application([("/", Hello)], log_function=lambda _handler: None)
