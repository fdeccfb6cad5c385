"""A hundred pieces whose length nobody knows beforehand."""

from tornado.web import Application, RequestHandler

PIECE = b"v" * 1024


class Chunks(RequestHandler):
    async def get(self) -> None:
        self.set_header("Content-Type", "text/plain")
        for _ in range(100):
            self.write(PIECE)
            await self.flush()


app = Application([("/", Chunks)], log_function=lambda _handler: None)
