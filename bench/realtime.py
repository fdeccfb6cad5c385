"""Scenarios of files, uploads, WebSockets and events: what a framework does beside answering."""

from collections.abc import Iterator

from asked import FILE_SIZE, KIB, MIB, Answer, Load, Scenario, as_size, get, post


def files() -> Iterator[Scenario]:
    """From a folder, by what each has for that."""
    for name, size, among in (
        ("10k", 10 * KIB, frozenset({"nginx", "granian-static", "fastpysgi-static"})),
        ("10m", FILE_SIZE, frozenset({"nginx", "granian-static"})),
    ):
        yield Scenario(
            name=f"static-{name}",
            title=f"a file of {as_size(size)} from a folder",
            app="folder",
            group="realtime",
            request=get(f"/static/{name}.bin"),
            answer=Answer(content_type="application/octet-stream", filler=size),
            load=Load(connections=64 if size < MIB else 8),
            unit="request" if size < MIB else "MiB",
            among=among,
            rounds=3,
        )


NEWS = b'{"symbol":"VLCM","bid":101.25,"ask":101.5,"volume":12000,"at":"2026-11-26T09:00:00.000Z","n":1}'
CROWD = 1000


def crowds() -> Iterator[Scenario]:
    """One publishes, a thousand hear of it; the next comes when all of them have. Counted for each that hears."""
    for name, title, hears, heard, among in (
        ("publish", "one of 1,000 WebSockets that hear", "messages", NEWS, frozenset({"socketify", "uvicorn"})),
        ("events", "one of 1,000 event streams that hear", "events", b"data: %s\n\n" % NEWS, frozenset({"uvicorn"})),
    ):
        yield Scenario(
            name=name,
            title=title,
            app=name,
            group="realtime",
            request=post(len(NEWS), target="/publish"),
            body=NEWS,
            answer=Answer(body=b"published"),
            heard=heard,
            load=Load(connections=1, idle=CROWD, hears=hears),
            unit="message",
            among=among,
            floor=False,
            rounds=3,
        )


BOUNDARY = b"----WebKitFormBoundary7MA4YWxkTrZu0gWq"
PART = (
    b"--%s\r\n"
    b'Content-Disposition: form-data; name="file"; filename="film.bin"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n" % BOUNDARY
)


def scenarios() -> Iterator[Scenario]:
    yield from files()
    yield from crowds()
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
        rounds=3,
        requirements="upload.txt",
    )
