"""Falcon and Bottle, with the same service, each also under wsgiref's validator."""

from collections.abc import Callable, Iterator
from pathlib import Path
from wsgiref.validate import validator

import httpx
import pytest
from notes import in_bottle, in_falcon
from support.curl import curl

from velocem import Server

Open = Callable[[Server], httpx.Client]

STATIC = Path(__file__).resolve().parents[2] / "data" / "notes" / "static" / "plain.txt"
APPS = {"falcon": in_falcon, "bottle": in_bottle}


@pytest.fixture(params=["falcon", "bottle", "falcon validated", "bottle validated"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    framework, _, validated = request.param.partition(" ")
    app = APPS[framework].create_app()
    with Server(validator(app) if validated else app) as running:
        yield running


@pytest.fixture
def client(server: Server, browse: Open) -> httpx.Client:
    return browse(server)


def test_json_from_creating_to_deleting(client: httpx.Client) -> None:
    created = client.post("/notes", json={"text": "Grüße 雪"})
    assert (created.status_code, created.headers["Location"]) == (201, "/notes/1")
    assert created.json() == {"id": 1, "text": "Grüße 雪"}
    client.post("/notes", json={"text": "x" * 100000})
    assert [note["id"] for note in client.get("/notes").json()] == [1, 2]
    deleted = client.delete("/notes/1")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert client.get("/notes/1").status_code == 404
    assert len(client.get("/notes/2").json()["text"]) == 100000


def test_a_form(client: httpx.Client) -> None:
    response = client.post("/form", data={"name": "Łem", "text": "a=b & c"})
    assert response.text == "name=Łem\ntext=a=b & c"


def test_a_stream(client: httpx.Client) -> None:
    response = client.get("/count?to=3000")
    assert response.headers["Transfer-Encoding"] == "chunked"
    assert response.text.split() == [str(number) for number in range(3000)]
    assert client.head("/count").content == b""
    assert client.get("/count?to=0").content == b""


def test_uploads_with_a_length_and_in_chunks(server: Server, client: httpx.Client) -> None:
    assert client.put("/upload", content=b"x" * 3000000).json() == {"size": 3000000}
    assert client.put("/upload", content=iter([b"x" * 50000] * 40)).json() == {"size": 2000000}
    assert client.put("/upload").json() == {"size": 0}
    assert curl("-T", "-", f"{server.url}/upload", stdin=b"y" * 1000000).body.replace(b" ", b"") == b'{"size":1000000}'


# Falcon drops the file of a HEAD request without closing it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_static_file_whole_and_in_part(client: httpx.Client) -> None:
    whole = client.get("/static/plain.txt")
    assert whole.content == STATIC.read_bytes()
    assert whole.headers["Content-Type"].startswith("text/plain")
    part = client.get("/static/plain.txt", headers={"Range": "bytes=2-5"})
    assert (part.status_code, part.content) == (206, b"file")
    assert part.headers["Content-Range"] == f"bytes 2-5/{len(whole.content)}"
    head = client.head("/static/plain.txt")
    assert head.headers["Content-Length"] == str(len(whole.content))
    assert client.get("/static/none.txt").status_code == 404


def test_cookies_both_ways(client: httpx.Client) -> None:
    first = client.get("/cookie")
    assert first.json() == {}
    assert [value.partition(";")[0] for value in first.headers.get_list("Set-Cookie")] == ["one=1", "two=2"]
    assert client.get("/cookie").json() == {"one": "1", "two": "2"}


def test_an_error_is_answered_and_the_next_request_served(client: httpx.Client) -> None:
    assert client.get("/fail").status_code == 500
    assert client.get("/none").status_code == 404
    assert client.patch("/notes").status_code == 405
    assert client.get("/notes").json() == []
