"""The extensions of ASGI that a scope announces: files by the kernel, trailers, early hints."""

from pathlib import Path

import pytest
from support.asgi import ask, body, error_of, http_only, scope_of, start
from support.client import Client, request

from velocem import Server
from velocem.types import Receive, Scope, Send

DATA = bytes(range(256)) * 4000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    return path


def test_what_is_there_is_announced() -> None:
    assert set(scope_of(request())["extensions"]) == {
        "http.response.pathsend",
        "http.response.zerocopysend",
        "http.response.trailers",
        "http.response.early_hint",
    }


def test_pathsend_sends_the_whole_file_with_its_length(file: Path) -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(start())
        await send({"type": "http.response.pathsend", "path": str(file)})

    response = ask(app)
    assert (response.framing, response.body) == ("length", DATA)


def test_pathsend_of_head_sends_no_byte(file: Path) -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(start())
        await send({"type": "http.response.pathsend", "path": str(file)})

    response = ask(app, request("HEAD"))
    assert (response.get("content-length"), response.body) == (str(len(DATA)), b"")


def test_pathsend_of_a_missing_file_is_raised_before_anything_is_sent(tmp_path: Path) -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(start())
        await send({"type": "http.response.pathsend", "path": str(tmp_path / "none")})

    error, response = error_of(app)
    assert error.startswith("FileNotFoundError: [Errno 2]")
    assert response.status == 500


def test_pathsend_of_a_folder_is_raised(tmp_path: Path) -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(start())
        await send({"type": "http.response.pathsend", "path": str(tmp_path)})

    assert error_of(app)[0] == "ValueError: only a regular file can be sent"


def test_zerocopysend_sends_a_part_and_leaves_the_file_open(file: Path) -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(start())
        with file.open("rb") as opened:
            await send(body(b"<", more=True))
            await send(
                {"type": "http.response.zerocopysend", "file": opened, "offset": 256, "count": 512, "more_body": True}
            )
            opened.seek(1000)
            await send({"type": "http.response.zerocopysend", "file": opened, "count": 24, "more_body": True})
            assert opened.tell() == 1000
        await send(body(b">"))

    assert ask(app).body == b"<" + DATA[256:768] + DATA[1000:1024] + b">"


def test_trailers_stand_behind_the_body() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(start(200, trailers=True))
        await send(body(b"hello"))
        await send({"type": "http.response.trailers", "headers": [(b"x-one", b"1")], "more_trailers": True})
        await send({"type": "http.response.trailers", "headers": [(b"x-two", b"2")]})

    response = ask(app)
    assert (response.framing, response.body) == ("chunked", b"hello")
    assert response.trailers == [("x-one", "1"), ("x-two", "2")]


def test_trailers_that_were_not_announced_are_raised() -> None:
    raised: list[str] = []

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(start())
        await send(body(b"x", more=True))
        try:
            await send({"type": "http.response.trailers", "headers": []})
        except RuntimeError as error:
            raised.append(str(error))
        await send(body(b"y"))

    assert ask(app).body == b"xy"
    assert raised == ["unexpected ASGI message 'http.response.trailers', expected 'http.response.body'"]


def test_early_hints_go_before_the_response() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload", b"</b.js>; rel=preload"]})
        await send(start())
        await send(body(b"x"))

    with Server(http_only(app)) as server, Client(server) as client:
        client.send(request())
        assert client.read_status()[0] == 103
        assert client.read_fields() == [("link", "</a.css>; rel=preload"), ("link", "</b.js>; rel=preload")]
        assert client.read().body == b"x"
