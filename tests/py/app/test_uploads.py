"""Forms with files, by every face: what is kept, what is refused, and that nothing is left behind."""

import asyncio
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.client import Client as RawClient
from support.client import Response

from velocem import App, Background, Client, Forbidden, Form, Group, Limits, Server, Upload

BOUNDARY = "xyz"


@pytest.fixture(name="folder", autouse=True)
def make_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where uploads are while they are looked at."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def build(kept: Path, said: list[str]) -> App:
    app = App()
    app.use(Limits(body="200k", parts=5, fields="1k", file="100k"))

    @app.post("/one")
    async def one(image: Form[Upload], title: Form[str] = "none", n: Form[int] = 0) -> Any:
        return {
            "name": image.filename,
            "type": image.content_type,
            "size": image.size,
            "same": image.read() == b"x" * image.size,
            "there": os.access(image.path, os.R_OK),
            "title": title,
            "n": n,
        }

    @app.post("/sync")
    def sync(image: Form[Upload]) -> int:
        with image.open() as file:
            return len(file.read())

    @app.post("/thread", blocking=True)
    def thread(image: Form[Upload]) -> int:
        return len(image.read())

    @app.post("/many")
    async def many(images: Form[list[Upload]]) -> list[str]:
        return [image.filename for image in images]

    @app.post("/maybe")
    async def maybe(image: Form[Upload | None] = None) -> bool:
        return image is not None

    @app.post("/keep")
    async def keep(image: Form[Upload]) -> None:
        image.move(kept)

    @app.post("/later")
    async def later(bg: Background, image: Form[Upload]) -> None:
        def read() -> None:
            said.append(f"{len(image.read())} {threading.current_thread() is threading.main_thread()}")

        async def fail() -> None:
            raise ZeroDivisionError

        async def last() -> None:
            await asyncio.sleep(0)
            said.append("last")

        bg.add(read)
        bg.add(fail)
        bg.add(last)

    @app.post("/fails")
    async def fails(image: Form[Upload], bg: Background) -> None:
        bg.add(said.append, "never")
        raise Forbidden

    def deny() -> None:
        raise Forbidden

    group = Group("/denied", before=[deny])

    @group.post("/")
    async def denied(image: Form[Upload]) -> None: ...

    app.include(group)
    return app


@pytest.fixture(name="said")
def make_said() -> list[str]:
    return []


@pytest.fixture(name="server", params=["native", "wsgi"])
def make_server(request: pytest.FixtureRequest, tmp_path: Path, said: list[str]) -> Iterator[Server]:
    with Server(build(tmp_path / "kept", said), interface=request.param) as server:
        yield server


def part(name: str, data: bytes, filename: str | None = None, *fields: str) -> bytes:
    more = "" if filename is None else f'; filename="{filename}"'
    head = "\r\n".join([f'Content-Disposition: form-data; name="{name}"{more}', *fields])
    return f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + data + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()
FIRST = part("image", b"x", "a")[:-2]


def head_of(path: str, length: int | None, kind: str = f"multipart/form-data; boundary={BOUNDARY}") -> bytes:
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\n{framing}\r\n\r\n".encode()


def post(server: Server, path: str, *parts: bytes, end: bytes = END) -> Response:
    body = b"".join(parts) + end
    with RawClient(server) as client:
        return client.ask(head_of(path, len(body)) + body)


def test_a_file_and_fields(server: Server, folder: Path) -> None:
    image = part("image", b"x" * 70000, "C:\\a\\ä.png", "Content-Type: image/png")
    got = post(server, "/one", image, part("title", "ü & ö=1".encode()), part("n", b"7"))
    assert (got.status, json.loads(got.body)) == (
        200,
        {"name": "ä.png", "type": "image/png", "size": 70000, "same": True, "there": True, "title": "ü & ö=1", "n": 7},
    )
    wait_for(lambda: not list(folder.iterdir()))


@pytest.mark.parametrize("path", ["/sync", "/thread"])
def test_handlers_of_every_kind(server: Server, folder: Path, path: str) -> None:
    assert post(server, path, part("image", b"x" * 100, "a")).body == b"100"
    wait_for(lambda: not list(folder.iterdir()))


def test_a_body_that_comes_in_small_pieces(server: Server, folder: Path) -> None:
    body = part("image", b"x\r\n--xy" * 10, "a") + part("title", b"t") + END
    with RawClient(server) as client:
        client.send(head_of("/sync", None))
        for at in range(0, len(body), 7):
            piece = body[at : at + 7]
            client.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        assert client.ask(b"0\r\n\r\n").body == b"70"
    wait_for(lambda: not list(folder.iterdir()))


TRICKY = (
    b"a" * 300
    + b"".join(b"\r\n--xyzb"[:n] for n in (1, 2, 3, 4, 5, 6, 8))
    + b"\r\r\n\r\n--xy\r\n--x\n--xyz--"
    + b"c" * 90
)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13, 100])
def test_what_looks_like_the_end_of_a_file_is_not(server: Server, tmp_path: Path, size: int) -> None:
    """Wherever it is cut: pieces that hold nothing of the delimiter go to the file without being parsed."""
    for ending in (b"", b"\r", b"\r\n", b"\r\n--xy", b"\r\n--x\r\n--xy"):
        body = part("image", TRICKY + ending, "a") + part("title", b"t") + END
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        with RawClient(server) as client:
            client.send(head_of("/keep", None) + b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in pieces))
            assert client.ask(b"0\r\n\r\n").status == 204
        assert (tmp_path / "kept").read_bytes() == TRICKY + ending


def test_a_file_over_its_limit_that_comes_in_pieces(server: Server, folder: Path) -> None:
    with RawClient(server) as client:
        client.send(head_of("/one", None) + b"%x\r\n%s\r\n" % (len(FIRST), FIRST))
        for _ in range(103):
            client.send(b"%x\r\n%s\r\n" % (1000, b"x" * 1000))
        got = client.ask(b"0\r\n\r\n")
    assert (got.status, json.loads(got.body)["detail"]) == (413, "a file has at most 102400 bytes")
    wait_for(lambda: not list(folder.iterdir()))


@pytest.mark.parametrize("filename", ["..", ".", "../..", "a/..", "\\..", "a/\0..", "a/"])
def test_a_file_name_that_is_but_a_folder_is_none(server: Server, filename: str) -> None:
    got = post(server, "/one", part("image", b"x", filename))
    assert (got.status, json.loads(got.body)["name"]) == (200, "")


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_before_the_first_delimiter_is_a_line_break_or_nothing(server: Server, size: int) -> None:
    """Whatever the pieces."""
    for before, status in ((b"", 200), (b"\r\n", 200), (b"\r\na\r\n", 400), (b"a\r\n", 400)):
        body = before + part("image", b"x", "a") + END
        with RawClient(server) as client:
            client.send(head_of("/sync", None))
            for at in range(0, len(body), size):
                piece = body[at : at + size]
                client.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            assert client.ask(b"0\r\n\r\n").status == status


def test_several_files_and_none(server: Server, folder: Path) -> None:
    got = post(server, "/many", part("images", b"1", "a"), part("images", b"2", "b"), part("other", b"3", "c"))
    assert json.loads(got.body) == ["a", "b"]
    assert post(server, "/maybe").body == b"false"
    assert post(server, "/maybe", part("image", b"", "")).body == b"false"  # no file was chosen
    assert post(server, "/maybe", part("image", b"", "a")).body == b"true"
    wait_for(lambda: not list(folder.iterdir()))


@pytest.mark.parametrize(
    ("parts", "status", "told"),
    [
        ([part("title", b"t")], 422, "is missing"),
        ([part("image", b"text")], 422, "is no file"),
        ([part("image", b"x", "a"), part("n", b"x")], 422, "n"),
        ([part("image", b"x" * 100_000 + b"x" * 3000, "a")], 413, "a file has at most 102400 bytes"),
        ([part("title", b"t" * 2000), part("image", b"x", "a")], 413, "the fields of a form have at most 1024 bytes"),
        ([part("a", b"")] * 6, 413, "at most 5 parts"),
        ([part("image", b"x", "a", *[f"X-{i}: 1" for i in range(20)])], 400, "this is no form"),
        ([part("image", b"x", "a", "X-A: " + "b" * 5000)], 400, "this is no form"),
        ([b"--xyz\r\nContent-Type: a/b\r\n\r\nx\r\n"], 400, "a part has no name"),
        ([b"nonsense"], 400, "this is no form"),
    ],
)
def test_forms_that_are_refused(server: Server, folder: Path, parts: list[bytes], status: int, told: str) -> None:
    got = post(server, "/one", *parts)
    assert got.status == status, got.body
    assert told in got.body.decode()
    wait_for(lambda: not list(folder.iterdir()))


def test_forms_that_are_cut_off_or_of_another_type(server: Server, folder: Path) -> None:
    cut = post(server, "/one", part("image", b"x" * 1000, "a"), end=b"")
    assert (cut.status, json.loads(cut.body)["detail"]) == (400, "the form is cut off")
    for kind, status in (
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=" + "a" * 71, 400),
        ("application/json", 415),
        ("application/x-www-form-urlencoded", 422),
    ):
        with RawClient(server) as client:
            assert client.ask(head_of("/one", 2, kind) + b"{}").status == status
    wait_for(lambda: not list(folder.iterdir()))


def test_a_body_over_the_limit(server: Server, folder: Path) -> None:
    with RawClient(server) as client:
        client.send(head_of("/one", None))
        body = part("other", b"x" * 1000, "a") * 4
        sent = 0
        client.send(b"%x\r\n%s\r\n" % (len(body), body))
        while sent < 300_000:
            client.send(b"%x\r\n%s\r\n" % (1000, b"y" * 1000))
            sent += 1000
        client.send(b"0\r\n\r\n")
        assert client.read().status in {400, 413}
    wait_for(lambda: not list(folder.iterdir()))


def test_a_client_that_goes_leaves_nothing(server: Server, folder: Path) -> None:
    with RawClient(server) as client:
        client.send(head_of("/one", 100_000) + part("image", b"x" * 50_000, "a"))
    wait_for(lambda: not list(folder.iterdir()))


def test_a_slow_client_is_ended_by_the_limit_and_leaves_nothing(tmp_path: Path, folder: Path) -> None:
    with Server(build(tmp_path / "kept", []), timeout_body=0.3) as server, RawClient(server) as client:
        client.send(head_of("/one", 100_000) + part("image", b"x" * 50_000, "a")[:-2])
        wait_for(lambda: bool(list(folder.iterdir())))
        client.read_all_of_broken()
        wait_for(lambda: not list(folder.iterdir()))


def test_a_file_that_is_kept(server: Server, folder: Path, tmp_path: Path) -> None:
    assert post(server, "/keep", part("image", b"kept", "a")).status == 204
    assert (tmp_path / "kept").read_bytes() == b"kept"
    wait_for(lambda: not list(folder.iterdir()))


def test_work_after_the_response(
    server: Server, folder: Path, said: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert post(server, "/later", part("image", b"x" * 10, "a")).status == 204
    wait_for(lambda: said == ["10 False", "last"])
    assert "fail() failed after the response" in caplog.text
    wait_for(lambda: not list(folder.iterdir()))
    for path in ("/fails", "/denied/"):
        assert post(server, path, part("image", b"x", "a")).status == 403
    wait_for(lambda: not list(folder.iterdir()))
    assert "never" not in said


def test_a_stopping_server_waits_for_work(folder: Path, tmp_path: Path) -> None:
    app, said, go = App(), list[str](), threading.Event()

    @app.post("/")
    async def later(bg: Background) -> None:
        bg.add(go.wait, 10)
        bg.add(said.append, "done")

    with Server(app) as server, RawClient(server) as client:
        assert client.ask(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").status == 204
        threading.Timer(0.2, go.set).start()
    assert said == ["done"]


def test_by_the_test_client(tmp_path: Path, folder: Path, said: list[str]) -> None:
    with Client(build(tmp_path / "kept", said)) as c:
        got = c.post("/one", data={"title": "t"}, files={"image": ("a.txt", b"xx", "text/plain")})
        assert (got.json()["name"], got.json()["size"], got.json()["title"]) == ("a.txt", 2, "t")
        assert c.post("/later", files={"image": ("a", b"xx", "a/b")}).status == 204
        assert said == ["2 False", "last"]
    assert not list(folder.iterdir())


def test_in_the_documentation(tmp_path: Path) -> None:
    paths = build(tmp_path, []).openapi()["paths"]
    assert paths["/many"]["post"]["requestBody"]["content"] == {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {"images": {"type": "array", "items": {"type": "string", "format": "binary"}}},
                "required": ["images"],
            }
        }
    }
