"""JSON made of a dict, at a path of its own."""

from tornado.web import Application, RequestHandler


class AsJson(RequestHandler):
    def get(self) -> None:
        self.write({"message": "Hello, World!"})

    def compute_etag(self) -> None:
        """No other server hashes its answers."""


app = Application([("/json", AsJson)], log_function=lambda _handler: None)
