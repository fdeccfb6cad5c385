"""A parameter of the path."""

from tornado.web import Application, RequestHandler


class User(RequestHandler):
    def get(self, number: str) -> None:
        self.set_header("Content-Type", "text/plain")
        self.write(f"user {int(number)}")

    def compute_etag(self) -> None:
        """No other server hashes its answers."""


app = Application([("/users/([0-9]+)", User)], log_function=lambda _handler: None)
