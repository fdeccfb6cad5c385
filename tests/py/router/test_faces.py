"""Router.wsgi and Router.asgi: what is answered without the target, and what the target is told."""

import asyncio
from collections.abc import Iterable
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

from velocem.router import Router


def echo(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    told = (environ["SCRIPT_NAME"], environ["PATH_INFO"], environ["velocem.params"])
    return [repr(told).encode()]


def ask(app: Any, method: str, path: str, **more: str) -> tuple[str, dict[str, str], str]:
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path.encode().decode("latin-1"),
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        **more,
    }
    setup_testing_defaults(environ)
    answer: list[Any] = []
    start: Any = lambda status, headers, exc_info=None: answer.extend((status, dict(headers)))  # noqa: E731
    parts = validator(app)(environ, start)
    body = b"".join(parts).decode()
    parts.close()  # type: ignore[attr-defined]
    return answer[0], answer[1], body


def wsgi_router() -> Router:
    router = Router()
    router.add(["GET", "POST"], "/users/{id:int}", echo)
    router.add("GET", "/é/{x}/", echo)
    router.mount("/é/m", echo)
    inner = Router()
    inner.add("GET", "/{b}", echo)
    router.mount("/in/{a}", inner)
    return router


def test_wsgi_targets_are_told_the_parameters() -> None:
    app = wsgi_router().wsgi
    assert ask(app, "GET", "/users/7")[::2] == ("200 OK", repr(("", "/users/7", {"id": 7})))
    mounted = "/é/m".encode().decode("latin-1")
    assert ask(app, "PUT", "/é/m/a/b")[2] == repr((mounted, "/a/b", {}))
    assert ask(app, "GET", "/in/x/y")[2] == repr(("/in/x", "/y", {"a": "x", "b": "y"}))


def test_wsgi_answers_of_its_own() -> None:
    app = wsgi_router().wsgi
    assert ask(app, "GET", "/users/x")[0] == "404 Not Found"
    status, headers, body = ask(app, "PUT", "/users/7")
    assert (status, headers["Allow"], body) == (
        "405 Method Not Allowed",
        "GET, HEAD, OPTIONS, POST",
        "Method Not Allowed\n",
    )
    status, headers, body = ask(app, "OPTIONS", "/users/7")
    assert (status, headers["Allow"], body) == ("204 No Content", "GET, HEAD, OPTIONS, POST", "")
    assert ask(app, "GET", "/users/7/", QUERY_STRING="a=b")[1]["Location"] == "../7?a=b"
    assert ask(app, "GET", "/é/y")[:2][0] == "308 Permanent Redirect"
    assert ask(app, "GET", "/é/a:b")[1]["Location"] == "./a:b/"
    assert ask(app, "POST", "/é/y")[0] == "404 Not Found"


def test_wsgi_paths_that_are_none() -> None:
    app = wsgi_router().wsgi
    environ: dict[str, Any] = {"REQUEST_METHOD": "GET", "PATH_INFO": "/\xe9/\xff/"}
    setup_testing_defaults(environ)
    answer: list[str] = []
    start: Any = lambda status, headers, exc_info=None: answer.append(status)  # noqa: E731
    app({**environ, "PATH_INFO": "/\xc3\xa9/\xff/"}, start)
    app({**environ, "PATH_INFO": "/users/\0"}, start)
    assert answer == ["400 Bad Request", "400 Bad Request"]


def test_a_redirect_goes_to_no_other_host() -> None:
    router = Router()
    router.add("GET", "//evil.example", echo)
    assert ask(router.wsgi, "GET", "//evil.example/")[1]["Location"] == "../evil.example"


# --- ASGI


async def asgi_echo(scope: Any, receive: Any, send: Any) -> None:
    told = (scope.get("root_path", ""), scope["path"], scope["path_params"])
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept", "told": told})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": repr(told).encode()})


def call(
    router: Router, method: str, path: str, *, raw: bytes | None = None, kind: str = "http", **more: Any
) -> list[Any]:
    sent: list[Any] = []
    scope = {"type": kind, "method": method, "path": path, "headers": [(b"host", b"h.example")], **more}
    if raw is not None:
        scope["raw_path"] = raw

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError

    asyncio.run(router.asgi(scope, receive, send))
    return sent


def asgi_router() -> Router:
    router = Router()
    router.add(["GET"], "/a/{x}", asgi_echo)
    router.ws("/ws/{x}")(asgi_echo)
    router.add("GET", "/hosted", asgi_echo, host="h.example")
    inner = Router()
    inner.add("GET", "/{y}", asgi_echo)
    router.mount("/in/{x}", inner)
    return router


def test_asgi_targets_are_told_the_parameters() -> None:
    router = asgi_router()
    assert call(router, "GET", "/a/b")[1]["body"] == repr(("", "/a/b", {"x": "b"})).encode()
    assert call(router, "GET", "/a/b/c", raw=b"/a/b%2Fc")[1]["body"] == repr(("", "/a/b/c", {"x": "b/c"})).encode()
    assert call(router, "GET", "/hosted")[0]["status"] == 200
    told = ("/in/p", "/in/p/q", {"x": "p", "y": "q"})
    assert call(router, "GET", "/in/p/q")[1]["body"] == repr(told).encode()
    told = ("/in/p q", "/in/p q/r/s", {"x": "p q", "y": "r/s"})
    assert call(router, "GET", "/in/p q/r/s", raw=b"/in/p%20q/r%2Fs")[1]["body"] == repr(told).encode()
    assert call(router, "GET", "/base/a/b", root_path="/base")[0]["status"] == 200


def test_a_raw_path_that_was_rewritten_is_not_believed() -> None:
    assert (
        call(asgi_router(), "GET", "/a/new", raw=b"/a/o%20ld")[1]["body"] == repr(("", "/a/new", {"x": "new"})).encode()
    )


def test_asgi_answers_of_its_own() -> None:
    router = asgi_router()
    assert call(router, "GET", "/nope")[0]["status"] == 404
    refused = call(router, "PUT", "/a/b")
    assert refused[0]["status"] == 405
    assert (b"allow", b"GET, HEAD, OPTIONS") in refused[0]["headers"]
    assert call(router, "OPTIONS", "/a/b")[0]["status"] == 204
    moved = call(router, "GET", "/a/é b/", raw="/a/é b/".encode(), query_string=b"q=1")
    assert moved[0]["status"] == 308
    assert (b"location", b"../%C3%A9%20b?q=1") in moved[0]["headers"]
    assert call(router, "GET", "/a/\0")[0]["status"] == 400


def test_asgi_websockets() -> None:
    router = asgi_router()
    assert call(router, "", "/ws/1", kind="websocket")[0]["told"] == ("", "/ws/1", {"x": "1"})
    assert call(router, "", "/a/b", kind="websocket") == [{"type": "websocket.close", "code": 1000, "reason": ""}]
    assert call(router, "", "/none", kind="websocket")[0]["type"] == "websocket.close"


def test_asgi_lifespan() -> None:
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[str] = []

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    asyncio.run(Router().asgi({"type": "lifespan"}, receive, send))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
