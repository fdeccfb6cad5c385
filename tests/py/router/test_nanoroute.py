"""velocem.compat.nanoroute beside nanoroute: the same calls on both, and where ours does more."""

from typing import Any

import pytest
from routers.routes import github, hits

from velocem.compat import nanoroute as ours


def outcome(router: Any, method: str, path: str) -> Any:
    try:
        return router.lookup(method, path)
    except LookupError:
        return LookupError


ROUTES = (
    "GET / | GET /a | POST /a | PUT,PATCH /a | GET /user/:id/x | GET /user/:name/y | GET /u_:id/p | "
    "GET /art/:id/*slug | GET /c/* | GET /anon/:/end | DELETE /f/:name.json | GET /odd/:1a-b/c | GET /{x} | "
    "GET /d/:id/ | PURGE /p/:a/q/:b"
).split(" | ")
QUESTIONS = (
    "GET / | GET /a | POST /a | PATCH /a | DELETE /a | GET /nope | GET  | HEAD /a | GET /user/1/x | GET /user/1/y | "
    "GET /u_9/p | GET /art/1/a/b | GET /art/1/a/ | GET /art/1/ | GET /c/x/y | GET /c/ | GET /anon/z/end | "
    "DELETE /f/a.json | GET /odd/v/c | GET /{x} | GET /user/a%20b/x | GET /user/é/x | GET /d/1/ | PURGE /p/1/q/2 | "
    "GET /user/%2F/x"
).split(" | ")


def test_the_same_calls_on_both() -> None:
    theirs = pytest.importorskip("nanoroute")
    routers = [theirs.router(), ours.router()]
    for router in routers:
        for number, row in enumerate(ROUTES):
            methods, _, route = row.partition(" ")
            several = methods.split(",")
            assert router.route(several if len(several) > 1 else methods, route)(number) == number
    for row in QUESTIONS:
        method, _, path = row.partition(" ")
        assert outcome(routers[1], method, path) == outcome(routers[0], method, path), (method, path)


def test_the_same_decorators_on_both() -> None:
    theirs = pytest.importorskip("nanoroute")
    for router in (theirs.router(), ours.router()):
        for verb in ("get", "post", "put", "delete"):
            assert getattr(router, verb)("/x/:y")(verb) == verb
            assert router.lookup(verb.upper(), "/x/1") == (verb, {"y": "1"})


def test_github_on_both() -> None:
    theirs = pytest.importorskip("nanoroute")
    routes = github()
    routers = [theirs.router(), ours.router()]
    for router in routers:
        for route in routes:
            router.route(route.method, route.path.replace("{", ":").replace("}", ""))(route.target)
    for method, path in hits(routes):
        assert routers[1].lookup(method, path) == routers[0].lookup(method, path)


@pytest.mark.parametrize("route", ["/a_:b_:c", "/:a:b", "/*a/b"])
def test_what_both_refuse(route: str) -> None:
    with pytest.raises(TypeError, match="Invalid wildcard"):
        ours.router().get(route)(1)


def test_methods_and_handles_that_are_refused() -> None:
    router = ours.router()
    router.get("/a")(1)
    with pytest.raises(TypeError, match="Handle already exists"):
        router.get("/a")(2)
    for method in ("get", "BAD METHOD"):
        with pytest.raises(TypeError, match="not a valid HTTP method"):
            router.route(method, "/b")(1)
    router.route([], "/c")(1)
    assert outcome(router, "GET", "/c") is LookupError


def test_text_beside_a_parameter_is_a_route_here() -> None:
    router = ours.router()
    router.get("/users/:id")(1)
    router.get("/users/me")(2)
    assert router.lookup("GET", "/users/me") == (2, {})
    assert router.lookup("GET", "/users/you") == (1, {"id": "you"})


def test_a_path_longer_than_its_routes_is_a_miss() -> None:
    router = ours.router()
    router.get("/user/:name")(1)
    assert outcome(router, "GET", "/user/a/b") is LookupError


def test_the_wsgi_application() -> None:
    def handler(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [environ["nanoroute.params"]["x"].encode()]

    router = ours.router()
    router.get("/:x")(handler)
    environ: dict[str, Any] = {"REQUEST_METHOD": "GET", "PATH_INFO": "/y"}
    start: Any = lambda status, headers, exc_info=None: None  # noqa: E731
    assert router.wsgi_app(environ, start) == [b"y"]
    with pytest.raises(LookupError):
        router.wsgi_app({**environ, "PATH_INFO": "/y/z"}, start)
