"""The same applications on sockets: Velocem's own server."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import msgspec
import pytest
from support.client import Client

from velocem import App, Group, Limits, NotFound, Request, Response, Server
from velocem.exceptions import StartError
from velocem.types import StartResponse, WSGIEnvironment


class New(msgspec.Struct):
    name: str


class Db:
    def __init__(self) -> None:
        self.open = True


def wait_for(condition: Callable[[], bool]) -> None:
    """AssertionError when it does not come true."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def wsgi(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Script", environ["SCRIPT_NAME"])])
    return [environ["PATH_INFO"].encode("latin-1"), b" ", environ["wsgi.input"].read()]


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-root", scope["root_path"].encode())]})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


def build(said: list[str]) -> App:
    app = App()
    app.use(Limits(body="1k"))

    @app.lifespan
    async def databases() -> AsyncIterator[Db]:
        db = Db()
        yield db
        db.open = False
        said.append("closed")

    @app.provide
    async def session(db: Db) -> AsyncIterator[list[str]]:
        yield ["session", str(db.open)]
        said.append("session ended")

    @app.get("/")
    def hello() -> str:
        return "Hello, World!"

    @app.get("/users/{id:int}")
    async def user(id: int, q: str = "") -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"id": id, "q": q}

    @app.post("/users", status=201)
    async def create(new: New) -> New:
        return new

    @app.get("/session")
    async def show(s: list[str]) -> list[str]:
        return s

    @app.get("/stream")
    async def stream(s: list[str], n: int = 3) -> AsyncIterator[str]:
        for i in range(n):
            yield f"{i}"
            await asyncio.sleep(0)

    @app.get("/blocks", blocking=True)
    def blocks() -> Iterator[bytes]:
        yield b"a" * 1000
        yield b"b" * 1000

    @app.get("/thread", blocking=True)
    def thread() -> str:
        return threading.current_thread().name

    @app.get("/fail")
    def fail() -> None:
        raise ZeroDivisionError

    @app.get("/inject")
    def inject() -> Response:
        return Response("", headers={"x-a": "1\r\nx-b: 2"})

    group = Group("/hooked")

    @group.after
    def stamp(res: Response, req: Request) -> None:
        res.headers["x-path"] = req.path

    @group.get("/{what}")
    async def hooked(what: str) -> str:
        if what == "none":
            raise NotFound("nothing there")
        return what

    app.include(group)
    app.mount("/wsgi", wsgi)
    app.mount("/asgi", asgi)
    return app


@pytest.fixture(name="said")
def make_said() -> list[str]:
    return []


@pytest.fixture(name="client")
def make_client(said: list[str]) -> Iterator[Client]:
    with Server(build(said)) as server, Client(server) as client:
        yield client


def get(client: Client, path: str, method: str = "GET", body: bytes = b"", kind: str = "application/json") -> Any:
    fields = f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n" if body else ""
    data = f"{method} {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n".encode() + body
    return client.ask(data, head=method == "HEAD")


def test_requests_on_one_connection(client: Client) -> None:
    hello = get(client, "/")
    assert (hello.status, hello.body, hello.get("Content-Type")) == (200, b"Hello, World!", "text/plain; charset=utf-8")
    assert json.loads(get(client, "/users/42?q=hello").body) == {"id": 42, "q": "hello"}
    made = get(client, "/users", "POST", b'{"name":"a"}')
    assert (made.status, made.body) == (201, b'{"name":"a"}')
    assert get(client, "/users", "POST", b"{").status == 400
    assert get(client, "/users", "POST", b"{}").status == 422
    assert get(client, "/users", "POST", b"a", "text/plain").status == 415
    refused = get(client, "/", "PUT")
    assert (refused.status, refused.get("Allow")) == (405, "GET, HEAD, OPTIONS")
    assert get(client, "/", "HEAD").get("Content-Length") == "13"
    moved = get(client, "/users/42/?x=1")
    assert (moved.status, moved.get("Location")) == (308, "../42?x=1")
    assert json.loads(get(client, "/nothing").body)["status"] == 404


def test_a_body_over_the_limit(client: Client) -> None:
    assert get(client, "/users", "POST", b'{"name":"%s"}' % (b"a" * 1100)).status == 413


def test_providers_and_the_lifespan(client: Client, said: list[str]) -> None:
    assert json.loads(get(client, "/session").body) == ["session", "True"]
    wait_for(lambda: said == ["session ended"])
    said.clear()
    assert get(client, "/stream").body == b"012"
    wait_for(lambda: said == ["session ended"])


def test_the_lifespan_ends_with_the_server() -> None:
    said: list[str] = []
    with Server(build(said)):
        assert not said
    assert said == ["closed"]


def test_a_client_that_leaves_a_stream_ends_its_providers(said: list[str]) -> None:
    with Server(build(said)) as server:
        with Client(server) as client:
            client.send(b"GET /stream?n=100000000 HTTP/1.1\r\nHost: a\r\n\r\n")
            client.sock.recv(100)
        wait_for(lambda: said == ["session ended"])


def test_threads_and_streams(client: Client) -> None:
    assert get(client, "/thread").body != threading.current_thread().name.encode()
    assert get(client, "/blocks").body == b"a" * 1000 + b"b" * 1000


def test_hooks_and_errors(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    hooked = get(client, "/hooked/a")
    assert (hooked.body, hooked.get("x-path")) == (b"a", "/hooked/a")
    none = get(client, "/hooked/none")
    assert (none.status, none.get("x-path"), json.loads(none.body)["detail"]) == (404, "/hooked/none", "nothing there")
    assert get(client, "/fail").status == 500
    injected = get(client, "/inject")
    assert (injected.status, injected.get("x-b")) == (500, None)
    assert "GET /fail failed" in caplog.text


def test_mounts_of_both_kinds(client: Client) -> None:
    under = get(client, "/wsgi/a%20b", "POST", b"body")
    assert (under.status, under.get("x-script"), under.body) == (200, "/wsgi", b"/a b body")
    other = get(client, "/asgi/x")
    assert (other.get("x-root"), other.body) == ("/asgi", b"/asgi/x")


def test_a_start_that_cannot_be_is_told(said: list[str]) -> None:
    app = build(said)

    @app.get("/odd")
    def odd(x) -> None: ...  # type: ignore[no-untyped-def] # noqa: ANN001

    with pytest.raises(StartError, match="'x' has no annotation"), Server(app):
        pass


@pytest.mark.parametrize("interface", ["asgi", "wsgi", "native"])
def test_every_face_answers_alike(interface: Any, said: list[str]) -> None:
    with Server(build(said), interface=interface) as server, Client(server) as client:
        assert get(client, "/").body == b"Hello, World!"
        assert json.loads(get(client, "/users/42?q=hello").body) == {"id": 42, "q": "hello"}
        assert get(client, "/users", "POST", b'{"name":"a"}').status == 201
        assert get(client, "/users", "POST", b'{"name":"%s"}' % (b"a" * 1100)).status == 413
        assert json.loads(get(client, "/session").body) == ["session", "True"]
        wait_for(lambda: said == ["session ended"])
        assert get(client, "/stream").body == b"012"
        wait_for(lambda: said == ["session ended"] * 2)
        assert get(client, "/hooked/none").get("x-path") == "/hooked/none"
        assert get(client, "/thread").status == 200
        assert get(client, "/blocks").body == b"a" * 1000 + b"b" * 1000
        assert get(client, "/wsgi/a", "POST", b"body").body == b"/a body"
        assert get(client, "/asgi/x").body == b"/asgi/x"
        assert get(client, "/users/42/").get("Location") == "../42"
        assert get(client, "/", "HEAD").status == 200
