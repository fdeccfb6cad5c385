"""Answers with a file as the server's own handler sends it."""

import os

from tornado.web import Application, StaticFileHandler

FOLDER, NAME = os.path.split(os.environ["BENCH_FILE"])


class File(StaticFileHandler):
    async def get(self, _path: str, include_body: bool = True) -> None:
        await super().get(NAME, include_body)


app = Application([("/()", File, {"path": FOLDER})], log_function=lambda _handler: None)
