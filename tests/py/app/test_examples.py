"""Every example runs as it is written."""

import gzip
import importlib
import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.databases import postgres
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from velocem import App, Client, Server

ROOT = Path(__file__).resolve().parents[3]
NAMES = sorted(path.stem for path in (ROOT / "examples").glob("*.py"))


@pytest.fixture(autouse=True)
def examples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Can be imported, which a user does from the project's folder."""
    monkeypatch.syspath_prepend(str(ROOT))


def load(name: str) -> Any:
    return importlib.import_module(f"examples.{name}")


@contextmanager
def client_of(name: str) -> Iterator[Client]:
    app: App = load(name).app
    with Client(app) as client:
        yield client


def test_every_example_is_tested_here() -> None:
    tested = {name for name in NAMES if f'"{name}"' in Path(__file__).read_text()}
    assert tested == set(NAMES)


def test_hello_by_the_server() -> None:
    with Server(load("hello").app) as server, urllib.request.urlopen(server.url) as response:
        assert response.read() == b"Hello, World!"


def test_parameters() -> None:
    with client_of("parameters") as c:
        assert [post["id"] for post in c.get("/users/1/posts?page=3").json()] == list(range(21, 31))
        assert c.get("/users/1/posts?tag=odd&tag=even").json() == []
        assert c.get("/users/1/posts", params={"since": "2026-01-30"}).json()[0]["id"] == 30
        assert c.get("/users/1/posts?page=two").json()["errors"][0]["loc"] == ["query", "page"]
        assert c.get("/users/me/posts").status == 404


def test_bodies() -> None:
    with client_of("bodies") as c:
        assert c.post("/users", json={"name": "a", "email": "b"}).json() == {"name": "a", "email": "b", "id": 1}
        assert c.get("/users/1").json()["name"] == "a"
        assert c.get("/users/2").json()["user_id"] == 2
        assert c.post("/users", json={"name": "a"}).json()["errors"] == [
            {"loc": ["body", "email"], "msg": "is missing"}
        ]


def test_headers() -> None:
    with client_of("headers") as c:
        assert c.get("/me").json()["errors"][0]["loc"] == ["header", "authorization"]
        got = c.get("/me?from=2026-02-03", headers={"Authorization": "x"}, cookies={"sid": "7"})
        assert got.json() == {"authorization": "x", "sid": "7", "since": "2026-02-03"}


def test_errors() -> None:
    with client_of("errors") as c:
        assert c.put("/users/1?name=a").status == 204
        assert c.put("/users/2?name=a").json() == {
            "type": "about:blank",
            "title": "Conflict",
            "status": 409,
            "detail": "UNIQUE constraint failed: users.name",
        }
        assert c.get("/users/1").json() == {"name": "a"}
        assert c.get("/users/3").json()["detail"] == "no such user"


def test_groups() -> None:
    with client_of("groups") as c:
        refused = c.get("/api/items/a")
        assert (refused.status, refused.headers["www-authenticate"], refused.headers["x-api"]) == (401, "ApiKey", "1")
        got = c.get("/api/items/a", headers={"x-api-key": "secret"})
        assert (got.json(), got.headers["x-api"]) == ({"item": "a"}, "1")
        assert got.headers["server-timing"].startswith("handler;dur=")
        assert "x-api" not in c.get("/").headers


def test_policies() -> None:
    with client_of("policies") as c:
        got = c.get("/long", headers={"accept-encoding": "gzip", "origin": "https://example.com"})
        assert gzip.decompress(got.body).startswith(b"It compresses well. ")
        assert got.headers["access-control-allow-origin"] == "https://example.com"
        got = c.get("/id")
        assert got.text == got.headers["x-request-id"] != c.get("/id").text
        assert c.post("/size", body=b"x" * 100).json() == 100
        assert c.post("/size", body=b"x" * ((2 << 20) + 1)).status == 413


def test_resources(monkeypatch: pytest.MonkeyPatch) -> None:
    with postgres() as database:
        monkeypatch.setenv("DATABASE_URL", dsn(database))
        with client_of("resources") as c:
            assert c.get("/sum?a=40&b=2").json() == {"sum": 42}
        with client_of("providers") as c:
            assert c.get("/orders").status == 401
            me = {"authorization": "Bearer me"}
            assert c.post("/orders/tea", headers=me).status == 201
            assert c.get("/orders", headers=me).json() == [{"id": 1, "buyer": "me", "what": "tea"}]


def dsn(database: Any) -> str:
    return f"postgresql://tester@127.0.0.1:{database.port}/postgres"


def test_testing() -> None:
    tests = [run for name, run in vars(load("testing")).items() if name.startswith("test_")]
    assert len(tests) == 3
    for run in tests:
        run()


def test_routing() -> None:
    routing = load("routing")
    assert routing.answer("GET", "/users/42") == "user 42"
    assert routing.answer("PUT", "/users/42") == "/users/42 has GET, HEAD"
    assert routing.answer("GET", "/users/x") == "there is no /users/x"
    assert routing.r.url("user", id=42) == "/users/42"


def test_chat_by_the_server() -> None:
    with Server(load("chat").app) as server:
        url = server.url.replace("http", "ws", 1) + "/chat/a"
        with connect(url) as one, connect(url) as two:
            for ws in (one, two):  # both are there once each has heard itself
                ws.send('{"who":"me","text":"here"}')
                assert json.loads(ws.recv(timeout=10)) == {"who": "me", "text": "here"}
            one.send('{"who":"a"}')
            assert json.loads(one.recv(timeout=10))["who"] == "me"  # of two
            with pytest.raises(ConnectionClosedError, match=r"1007.*text: is missing"):
                one.recv(timeout=10)


def test_events_by_the_server() -> None:
    with Server(load("events").app) as server:
        asked = urllib.request.Request(server.url + "/ticks", headers={"Last-Event-ID": "41"})
        with urllib.request.urlopen(asked, timeout=10) as ticks:
            assert [ticks.readline() for _ in range(4)] == [b"id: 42\n", b'data: {"n":42}\n', b"\n", b"id: 43\n"]
        with urllib.request.urlopen(server.url + "/news", timeout=10) as news:
            urllib.request.urlopen(server.url + "/news?n=7", data=b"", timeout=10).close()
            assert news.readline() == b'data: {"n":7}\n'
        with urllib.request.urlopen(server.url + "/lines?n=2", timeout=10) as lines:
            assert lines.read() == b'{"n":0}\n{"n":1}\n'


def test_uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load("uploads"), "FOLDER", tmp_path)
    with client_of("uploads") as c:
        assert c.post("/avatar", data={"name": "me"}, files={"image": ("a.png", b"abc", "image/png")}).status == 204
        digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        assert (tmp_path / "me.sha256").read_text() == digest
        assert c.post("/avatar", data={"image": "abc"}).json()["errors"] == [
            {"loc": ["form", "image"], "msg": "is no file"}
        ]


def test_pages() -> None:
    with client_of("pages") as c:
        assert "You have been here 1 times" in c.get("/").text
        assert "Hello, &lt;b&gt;. You have been here 2 times" in c.get("/", params={"name": "<b>"}).text
        assert c.post("/forget").status == 204
        assert "here 1 times" in c.get("/").text
        assert c.get("/assets/style.css").headers["cache-control"] == "public, max-age=31536000"
        got = c.get("/invoice/1")
        assert got.headers["content-disposition"] == "attachment; filename*=UTF-8''1.txt"
        assert got.text == "One hour of work: 80\n"
        assert c.get("/invoice/2").status == 404


def test_mounts() -> None:
    with client_of("mounts") as c:
        assert c.get("/old/a%20b").text == "/old has /a b"
        assert c.get("/new/a").text == "/new has /new/a"
