"""Answers with BENCH_SIZE bytes in one piece."""

import os

from tornado.web import Application, RequestHandler

BODY = b"v" * int(os.environ["BENCH_SIZE"])


class Big(RequestHandler):
    def get(self) -> None:
        self.set_header("Content-Type", "application/octet-stream")
        self.write(BODY)

    def compute_etag(self) -> None:
        """No other server hashes its answers."""


app = Application([("/", Big)], log_function=lambda _handler: None)
