"""A hundred pieces whose length nobody knows beforehand."""

from collections.abc import Iterator

from robyn import Headers, Robyn, StreamingResponse

PIECE = "v" * 1024
app = Robyn(__file__)


def pieces() -> Iterator[str]:
    for _ in range(100):
        yield PIECE


@app.get("/")
def chunks() -> StreamingResponse:
    return StreamingResponse(pieces(), headers=Headers({"Content-Type": "text/plain"}), media_type="text/plain")
