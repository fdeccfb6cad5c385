"""Sessions, templates and folders of an App."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from support.client import Client as RawClient
from websockets.sync.client import connect

from velocem import App, Client, Redirect, Server, Session, Sessions, Templates, WebSocket
from velocem.folders import cache_control
from velocem.sessions import encoded

KEY = "k" * 16
OLD = "o" * 16


def build(*keys: str, **options: Any) -> App:
    app = App()
    app.use(Sessions(keys=keys or [KEY], **options))

    @app.get("/read")
    def read(session: Session) -> dict[str, Any]:
        return dict(session)

    @app.post("/write")
    async def write(session: Session, name: str, value: str) -> None:
        session[name] = value

    @app.post("/nested")
    def nested(session: Session) -> Redirect:
        session.setdefault("list", []).append(1)
        return Redirect("/read")

    @app.post("/clear")
    def clear(session: Session) -> None:
        session.clear()

    @app.get("/none")
    def none() -> str:
        return ""

    @app.post("/large")
    def large(session: Session) -> None:
        session["x"] = "x" * 4000

    @app.ws("/ws")
    async def socket(ws: WebSocket[str, Any], session: Session) -> None:
        await ws.send(dict(session))

    return app


def test_a_session_comes_back() -> None:
    with Client(build()) as c:
        assert c.get("/read").json() == {}
        assert not c.cookies
        got = c.post("/write?name=a&value=ä")
        cookie = got.headers["set-cookie"]
        assert cookie.startswith("session=")
        assert cookie.endswith("; Max-Age=1209600; Path=/; Secure; HttpOnly; SameSite=Lax")
        assert c.get("/read").json() == {"a": "ä"}
        assert "set-cookie" not in c.get("/read").headers
        assert c.post("/nested").status == 303
        assert c.get("/read").json() == {"a": "ä", "list": [1]}
        assert "set-cookie" not in c.get("/none").headers
        assert "Max-Age=0" in c.post("/clear").headers["set-cookie"]
        assert c.get("/read").json() == {}
        assert "set-cookie" not in c.post("/clear").headers


def test_keys_are_changed_one_by_one() -> None:
    with Client(build(OLD)) as c:
        c.post("/write?name=a&value=b")
        cookies = dict(c.cookies)
    with Client(build(KEY, OLD)) as c:
        c.cookies.update(cookies)
        got = c.get("/read")
        assert got.json() == {"a": "b"}
        assert "set-cookie" in got.headers  # signed by the new one
        assert c.get("/read").json() == {"a": "b"}
        renewed = dict(c.cookies)
    with Client(build(KEY)) as c:
        c.cookies.update(cookies)
        assert c.get("/read").json() == {}
        c.cookies.update(renewed)
        assert c.get("/read").json() == {"a": "b"}


def test_cookies_that_are_not_believed() -> None:
    sessions = Sessions(keys=[KEY])
    good = sessions.write('{"a":1}', 1000)
    assert sessions.read(good, 1000) == {"a": 1}
    assert not sessions.read(good, 1000).stale
    assert sessions.read(good, 1000 + sessions.max_age * 0.6).stale
    assert sessions.read(good, 1000 + sessions.max_age) == {}
    assert sessions.read(good, 0) == {}
    values, began, signature = good.split(".")
    other = Sessions(keys=[KEY], name="other").write('{"a":1}', 1000)
    changed = encoded(b'{"a":2}')
    for bad in (
        "",
        ".",
        "..",
        good[:-1],
        good + "=",
        f"{changed}.{began}.{signature}",
        f"{values}.{began}0.{signature}",
        f"{values}.{began}.",
        f"{values}.x.{signature}",
        f"{values}{began}.{signature}",
        other,
        good.upper(),
        "ä" + good,
    ):
        assert sessions.read(bad, 1000) == {}, bad


def test_sessions_that_cannot_be(caplog: pytest.LogCaptureFixture) -> None:
    for keys in ([], ["short"], KEY):
        with pytest.raises(ValueError, match="key"):
            Sessions(keys=keys)
    with pytest.raises(ValueError, match="no cookie is called"):
        Sessions(keys=[KEY], name="a b")
    with Client(build()) as c:
        assert c.post("/large").status == 500
        assert not c.cookies
    assert "is more than a cookie holds" in caplog.text


def test_templates(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<p>{{ name }} {{ site }} {{ name|shout }}")
    pages = Templates(tmp_path, values={"site": "S"}, filters={"shout": str.upper})
    app = App()

    @app.get("/")
    def page(name: str) -> Any:
        return pages("a.html", status=201, headers={"x-a": "1"}, name=name)

    with Client(app) as c:
        got = c.get("/", params={"name": "<b>"})
        assert (got.status, got.headers["content-type"], got.headers["x-a"]) == (201, "text/html; charset=utf-8", "1")
        assert got.text == "<p>&lt;b&gt; S &lt;B&gt;"


@pytest.fixture(name="site")
def make_site(tmp_path: Path) -> App:
    root = tmp_path / "dist"
    (root / "sub").mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    (root / "index.html").write_text("<p>index")
    (root / "app.js").write_text("js()" * 100)
    (root / "app.js.gz").write_bytes(b"packed")
    (root / ".env").write_text("hidden")
    (root / "out").symlink_to("../secret")
    app = App()
    app.static("/assets", root, cache="1h", precompressed=True)
    app.static("/site/", root, index="index.html", spa="index.html")

    @app.get("/assets/made")
    def made() -> str:
        return "made"

    return app


def test_a_folder_by_the_test_client(site: App) -> None:
    with Client(site) as c:
        got = c.get("/assets/app.js")
        assert (got.text, got.headers["content-type"]) == ("js()" * 100, "text/javascript; charset=utf-8")
        assert got.headers["cache-control"] == "public, max-age=3600"
        assert c.get("/assets/app.js", headers={"if-none-match": got.headers["etag"]}).status == 304
        part = c.get("/assets/app.js", headers={"range": "bytes=2-5"})
        assert (part.status, part.text) == (206, "()js")
        assert c.get("/assets/app.js", headers={"range": "bytes=900-"}).status == 416
        assert c.get("/assets/app.js", headers={"accept-encoding": "gzip"}).body == b"packed"
        assert c.get("/assets/made").text == "made"
        assert c.get("/site/").text == "<p>index"
        assert c.get("/site/some/page", headers={"accept": "text/html"}).text == "<p>index"
        assert c.post("/assets/app.js").status == 405


def test_what_is_not_in_a_folder(site: App) -> None:
    paths = (
        "../secret",
        "%2e%2e/secret",
        "..%2fsecret",
        "%2e%2e%2fsecret",
        "..%5csecret",
        ".%2e/secret",
        "out",
        ".env",
    )
    with Server(site) as server, RawClient(server) as client:
        for path in (*paths, ".env", "sub/../../secret", "sub/..%2f..%2fsecret", "", "sub", "sub/", "none", "a%00b"):
            got = client.ask(f"GET /assets/{path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert got.status in {400, 404}, path
            assert b"secret" not in got.body.replace(path.encode(), b"")
        assert client.ask(b"GET /assets/app.js HTTP/1.1\r\nHost: a\r\n\r\n").body == b"js()" * 100


def test_times_for_caches() -> None:
    assert cache_control("1y") == b"public, max-age=31536000"
    assert cache_control(90) == cache_control("90") == cache_control("90s") == b"public, max-age=90"
    assert cache_control("no-cache") == b"no-cache"
    with pytest.raises(ValueError, match="a time is"):
        cache_control("1x")
    with pytest.raises(OSError, match="nowhere"):
        App().static("/a", "/nowhere")


def test_a_session_of_a_socket() -> None:
    with Server(build()) as server:
        cookie = Sessions(keys=[KEY]).write('{"a":1}', time.time())
        url = server.url.replace("http", "ws", 1) + "/ws"
        with connect(url, additional_headers={"Cookie": f"session={cookie}"}) as ws:
            assert json.loads(ws.recv(timeout=10)) == {"a": 1}
