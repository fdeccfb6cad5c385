"""Scenarios of files, uploads, WebSockets and events: what a framework does beside answering."""

from collections.abc import Iterator

from asked import MIB, Answer, Load, Scenario, post

BOUNDARY = b"----WebKitFormBoundary7MA4YWxkTrZu0gWq"
PART = (
    b"--%s\r\n"
    b'Content-Disposition: form-data; name="file"; filename="film.bin"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n" % BOUNDARY
)


def scenarios() -> Iterator[Scenario]:
    yield from uploads()


def uploads() -> Iterator[Scenario]:
    """A browser's form with one file, which is to be on disk when it is answered."""
    size, around = 20 * MIB, (PART, b"\r\n--%s--\r\n" % BOUNDARY)
    content_type = f"multipart/form-data; boundary={BOUNDARY.decode()}"
    yield Scenario(
        name="upload",
        title="a form with a file of 20 MiB",
        app="upload",
        group="realtime",
        request=post(size + sum(map(len, around)), content_type, "/upload"),
        body_filler=size,
        around=around,
        answer=Answer(body=b"%d" % size),
        load=Load(connections=4),
        kinds=frozenset({"framework"}),
        among=frozenset({"starlette-uvicorn", "fastapi-uvicorn"}),
        rounds=5,
        requirements="upload.txt",
    )
