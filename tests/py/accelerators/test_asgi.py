"""Starlette and FastAPI, accelerated or not: the same answers to whatever is asked."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import velocem

pytest.importorskip("starlette")

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute

PIECES = ["a", "b", "ab", "me", "{x}", "{x:int}", "{x:float}", "{x:uuid}", "v{x}", "{x}.json", "{x}-{y}", "{x:path}"]
TEXTS = [
    "a",
    "b",
    "ab",
    "me",
    "1",
    "1.5",
    "v1",
    "a.json",
    "a-b",
    "0123abcd-0123-abcd-0123-0123456789ab",
    "",
    "é",
    "a b",
    "x\n",
]


RUNNER = asyncio.Runner()  # one for all: a loop for each question would be most of the time


@pytest.fixture(scope="module", autouse=True)
def end_runner() -> Iterator[None]:
    yield
    RUNNER.close()


def endpoint(name: str) -> Any:
    async def answer(request: Any) -> JSONResponse:
        values = {key: [type(value).__name__, str(value)] for key, value in request.path_params.items()}
        told = request.scope.get("root_path"), type(request.scope["router"]).__name__, str(request.url)
        return JSONResponse([name, values, told])

    return answer


async def websocket(socket: Any) -> None:
    await socket.accept()
    await socket.send_json(socket.path_params)
    await socket.close()


def numbered(pieces: list[str]) -> str:
    """Names differ within a path."""
    return "".join("/" + piece.replace("x", f"x{i}").replace("y", f"y{i}") for i, piece in enumerate(pieces))


PATTERN = st.lists(st.sampled_from(PIECES), max_size=4).map(numbered)
ROUTE = st.tuples(st.sampled_from(["route", "route", "route", "mount", "websocket", "host"]), PATTERN,
                  st.sampled_from([["GET"], ["POST"], None]), st.booleans())  # fmt: skip


def build(table: list[Any], inner: list[Any], *, redirect: bool) -> Starlette:
    routes: list[Any] = []
    for number, (kind, pattern, methods, slash) in enumerate(table):
        name = str(number)
        if kind == "mount":
            below = [
                Route(path or "/", endpoint(f"{name}-{i}"), methods=some) for i, (_, path, some, _) in enumerate(inner)
            ]
            routes.append(Mount(pattern, routes=below))
        elif kind == "host":
            routes.append(Host("h.example", app=Router([Route(pattern or "/", endpoint(name))])))
        elif kind == "websocket":
            routes.append(WebSocketRoute(pattern or "/", websocket))
        else:
            routes.append(Route((pattern + "/" if slash else pattern) or "/", endpoint(name), methods=methods))
    app = Starlette(routes=routes)
    app.router.redirect_slashes = redirect
    return app


def ask(app: Any, method: str, path: str, kind: str = "http", host: bytes = b"h.example") -> list[Any]:
    sent: list[Any] = []
    scope = {
        "type": kind,
        "method": method,
        "path": path,
        "raw_path": path.encode("utf-8", "replace"),
        "headers": [(b"host", host)],
        "query_string": b"q=1",
        "server": ("h.example", 80),
        "scheme": "http" if kind == "http" else "ws",
        "root_path": "",
        "http_version": "1.1",
        "client": ("c", 1),
        "subprotocols": [],
    }

    async def receive() -> Any:
        return (
            {"type": "http.request", "body": b"", "more_body": False}
            if kind == "http"
            else {"type": "websocket.connect"}
        )

    async def send(message: Any) -> None:
        sent.append(message)

    try:
        RUNNER.run(app(scope, receive, send))
    except Exception as error:  # its type is compared like an answer
        sent.append(repr(error))
    return sent


@settings(max_examples=60, deadline=None)
@given(
    table=st.lists(ROUTE, max_size=8),
    inner=st.lists(ROUTE, max_size=3),
    redirect=st.booleans(),
    paths=st.lists(
        st.lists(st.sampled_from(TEXTS), max_size=5).map(lambda parts: "/" + "/".join(parts)), min_size=1, max_size=5
    ),
)
def test_starlette_answers_alike(table: list[Any], inner: list[Any], redirect: bool, paths: list[str]) -> None:
    try:
        plain, fast = build(table, inner, redirect=redirect), build(table, inner, redirect=redirect)
    except (ValueError, AssertionError):  # names that repeat between a mount and what is below it
        return
    assert velocem.accelerate(fast) is fast
    for path in [*paths, *(pattern + end for _, pattern, _, _ in table for end in ("", "/", "/a"))]:
        for method, kind, host in (
            ("GET", "http", b"h.example"),
            ("POST", "http", b"o.example"),
            ("GET", "websocket", b"o.example"),
        ):
            assert ask(fast, method, path, kind, host) == ask(plain, method, path, kind, host), (method, path)


def test_routes_that_are_added_later_are_seen() -> None:
    app = velocem.accelerate(Starlette(routes=[Route("/a", endpoint("a"))]))
    assert ask(app, "GET", "/b")[0]["status"] == 404
    app.router.routes.append(Route("/b", endpoint("b")))
    assert ask(app, "GET", "/b")[0]["status"] == 200
    app.router.routes[1] = Route("/c", endpoint("c"))
    assert ask(app, "GET", "/b")[0]["status"] == 404
    assert ask(app, "GET", "/c")[0]["status"] == 200


def test_only_what_the_path_can_be_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    matches = Route.matches

    def told(self: Route, scope: Any) -> Any:
        tried.append(self.path)
        return matches(self, scope)

    told.__module__ = "starlette.routing"
    monkeypatch.setattr(Route, "matches", told)
    app = velocem.accelerate(Starlette(routes=[Route(f"/r{i}/{{x}}", endpoint(str(i))) for i in range(100)]))
    assert ask(app, "GET", "/r42/a")[0]["status"] == 200
    assert tried == ["/r42/{x}"]


def test_a_route_of_somebody_elses_class_is_always_tried() -> None:
    class Odd(Route):
        def matches(self, scope: Any) -> Any:
            return super().matches({**scope, "path": "/a"})

    app = velocem.accelerate(Starlette(routes=[Odd("/a", endpoint("odd"))]))
    assert ask(app, "GET", "/whatever")[0]["status"] == 200


def test_lifespan_is_left_alone() -> None:
    app = velocem.accelerate(Starlette())
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[str] = []

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    RUNNER.run(app({"type": "lifespan", "state": {}}, receive, send))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_fastapi_answers_alike() -> None:
    fastapi: Any = pytest.importorskip("fastapi")

    def build_api() -> Any:
        app, included, deeper = fastapi.FastAPI(), fastapi.APIRouter(), fastapi.APIRouter()
        for i in range(20):
            for router, prefix in ((app, "/app"), (included, "/inc"), (deeper, "/deep")):
                add_routes(router, f"{prefix}{i}")
        included.include_router(deeper, prefix="/below")
        app.include_router(included, prefix="/v1")
        app.mount("/sub", Starlette(routes=[Route("/{x}", endpoint("sub"))]))
        return app

    plain, fast = build_api(), velocem.accelerate(build_api())
    for path in (
        "/app3/7 /app3/x /app3/7/ /app3 /v1/inc4/8 /v1/inc4/8/ /v1/inc4 /v1/below/deep5/9 "
        "/v1/below/deep5/9/more /sub/a /sub /openapi.json /docs /nothing /v1/nothing /v1//inc4/8"
    ).split():
        for method in ("GET", "POST", "PUT", "HEAD"):
            assert ask(fast, method, path) == ask(plain, method, path), (method, path)


def add_routes(router: Any, prefix: str) -> None:
    @router.get(prefix + "/{number}")  # type: ignore[untyped-decorator, unused-ignore]
    def get(number: int) -> Any:
        return {"get": number, "at": prefix}

    @router.post(prefix + "/{number}")  # type: ignore[untyped-decorator, unused-ignore]
    def post(number: int) -> Any:
        return {"post": number}


def test_what_is_no_application_is_refused() -> None:
    with pytest.raises(TypeError, match="no framework"):
        velocem.accelerate(object())
    with pytest.raises(TypeError, match="no router"):
        velocem.accelerate(Route("/a", endpoint("a")))
