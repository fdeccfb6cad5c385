"""velocem.Router: what is added, what is found, and what is said about it."""

import gc
import sys
import weakref
from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

import pytest

import velocem
from velocem.router import BadPath, Match, MethodNotAllowed, NotFound, RouteError, Router


def router_of(*patterns: str, **options: Any) -> Router:
    router = Router(**options)
    for pattern in patterns:
        router.add("GET", pattern, pattern)
    return router


def test_it_is_a_public_name() -> None:
    assert velocem.Router is Router
    assert "Router" in velocem.__all__


# --- lookup


def test_text_beside_a_parameter() -> None:
    router = router_of("/users/{id}", "/users/me", "/users/{id}/posts/{post:int}")
    assert router.lookup("GET", "/users/me") == ("/users/me", {})
    assert router.lookup("GET", "/users/you") == ("/users/{id}", {"id": "you"})
    assert router.lookup("GET", "/users/a/posts/12") == ("/users/{id}/posts/{post:int}", {"id": "a", "post": 12})


def test_values_have_the_types_of_their_converters() -> None:
    router = router_of("/i/{v:int}", "/f/{v:float}", "/u/{v:uuid}", "/d/{v:date}", "/p/{v:path}", "/e/{v:enum(a,b)}",
                       "/r/{v:re([a-c]+)}", "/s/{v}")  # fmt: skip
    uuid = UUID("01234567-89ab-cdef-0123-456789abcdef")
    for path, value in {
        "/i/-12": -12,
        "/i/999999999999999999": 999999999999999999,
        "/f/1.5": 1.5,
        "/f/-3": -3.0,
        f"/u/{uuid}": uuid,
        "/d/2024-02-29": date(2024, 2, 29),
        "/p/a/b/": "a/b/",
        "/e/b": "b",
        "/r/abc": "abc",
        "/s/x": "x",
        "/s/%C3%A9%20%2F": "é /",
        "/s/é": "é",
    }.items():
        found = router.lookup("GET", path)[1]["v"]
        assert (found, type(found)) == (value, type(value))
    for path in ("/i/1.5", "/f/x", "/u/1", "/d/2023-02-29", "/e/c", "/r/abcd", "/s/", "/p/"):
        with pytest.raises(NotFound):
            router.lookup("GET", path)


def test_a_miss_and_a_wrong_method_are_told_apart() -> None:
    router = Router()
    router.add(["GET", "POST"], "/a", 1)
    with pytest.raises(NotFound) as missed:
        router.lookup("GET", "/b")
    assert missed.value.path == "/b"
    assert isinstance(missed.value, LookupError)
    with pytest.raises(MethodNotAllowed) as refused:
        router.lookup("DELETE", "/a")
    assert refused.value.allow == ("GET", "HEAD", "POST")


@pytest.mark.parametrize("path", ["/%", "/%4", "/%zz", "/%00", "/a\0b", b"/\xff", "/%ff", "/a/" + "b" * 5000 + "%0"])
def test_what_is_no_path(path: str | bytes) -> None:
    router = router_of("/{a}", "/{a}/{b}")
    with pytest.raises(BadPath):
        router.lookup("GET", path)
    with pytest.raises(BadPath):
        router.match("GET", path)


def test_a_lone_surrogate_is_in_no_path() -> None:
    assert router_of("/{a}").match("GET", "/\udcff") is None


def test_a_long_path_is_decoded() -> None:
    router = router_of("/{a}", "/{rest:path}")
    assert router.lookup("GET", "/" + "%41" * 4000) == ("/{a}", {"a": "A" * 4000})
    assert router.lookup("GET", "/" + "a/" * 30_000)[0] == "/{rest:path}"


def test_a_path_that_is_decoded_already() -> None:
    router = router_of("/{a}")
    assert router.lookup("GET", "/%41", decoded=True) == ("/{a}", {"a": "%41"})
    assert router.lookup("GET", "/%41") == ("/{a}", {"a": "A"})
    assert router.lookup("GET", "/é".encode()) == ("/{a}", {"a": "é"})


def test_head_is_answered_by_get() -> None:
    router = router_of("/a", "/b")
    router.add("HEAD", "/b", "own")
    assert router.lookup("HEAD", "/a") == ("/a", {})
    assert router.lookup("HEAD", "/b") == ("own", {})


def test_any_method() -> None:
    router = Router()
    router.add(None, "/a", "any")
    router.add("GET", "/a", "get")
    assert router.lookup("PROPFIND", "/a") == ("any", {})
    assert router.lookup("GET", "/a") == ("get", {})
    assert router.allowed("/a") == ("GET", "HEAD", "*")


def test_params_are_the_callers() -> None:
    router = router_of("/a", "/{x}")
    router.lookup("GET", "/a")[1]["x"] = 1
    assert router.lookup("GET", "/a") == ("/a", {})


# --- match


def test_a_match_says_what_was_found() -> None:
    router = Router()
    route = router.add(["GET"], "/users/{id:int}", "target", name="user", meta={"tag": 1})
    found = router.match("GET", "/users/7")
    assert isinstance(found, Match)
    assert (found.target, found.params, found.route, found.allow, found.rest, found.slash) == (
        "target", {"id": 7}, route, (), "", False)  # fmt: skip
    assert route.meta == {"tag": 1}
    refused = router.match("PUT", "/users/7")
    assert refused is not None
    assert (refused.target, refused.route, refused.allow) == (None, None, ("GET", "HEAD"))
    assert router.match("GET", "/users/x") is None


def test_a_slash_at_the_end() -> None:
    router = router_of("/a", "/b/")
    for path in ("/a/", "/b"):
        found = router.match("GET", path)
        assert found is not None
        assert found.slash
        assert found.target is None
        assert router.match("POST", path) is None
        with pytest.raises(NotFound):
            router.lookup("GET", path)
    strict = router_of("/a", slash="strict")
    assert strict.match("GET", "/a/") is None
    ignoring = router_of("/a", "/b/", slash="ignore")
    assert ignoring.lookup("GET", "/a/") == ("/a", {})
    assert ignoring.lookup("GET", "/b") == ("/b/", {})


def test_mounts() -> None:
    router = router_of("/static/health")
    router.mount("/static", "files")
    router.mount("/tenants/{name}/", "tenant")
    for path, target, rest in [
        ("/static", "files", ""),
        ("/static/", "files", "/"),
        ("/static/a/b.css", "files", "/a/b.css"),
        ("/static/a%20b", "files", "/a%20b"),
        ("/static/health", "/static/health", ""),
        ("/tenants/x/a", "tenant", "/a"),
    ]:
        found = router.match("GET", path)
        assert found is not None
        assert (found.target, found.rest) == (target, rest)
    assert router.match("GET", "/statics") is None


def test_hosts() -> None:
    router = router_of("/a")
    router.add("GET", "/a", "www", host="www.example.com")
    router.add("GET", "/{x}", "tenant", host="{tenant}.example.com")
    router.add("GET", "/b", "deep", host="*.example.org")
    assert router.lookup("GET", "/a", "WWW.example.com:80") == ("www", {})
    assert router.lookup("GET", "/a", "t.example.com") == ("tenant", {"tenant": "t", "x": "a"})
    assert router.lookup("GET", "/b", "a.b.example.org") == ("deep", {})
    assert router.lookup("GET", "/a", host="other.example") == ("/a", {})
    assert router.lookup("GET", "/a") == ("/a", {})


def test_registration_order_when_asked() -> None:
    router = router_of("/{a}", "/me", order="registration")
    assert router.lookup("GET", "/me") == ("/{a}", {"a": "me"})
    router.add("GET", "/me", "again")
    assert router._candidates("/me") == [0, 1, 2]


# --- adding


def test_a_conflict_names_both_places() -> None:
    router = Router()
    here = sys._getframe().f_lineno
    router.add("GET", "/a/{x}", 1)
    with pytest.raises(RouteError) as error:
        router.add(["POST", "GET"], "/a/{y}", 2)
    text = str(error.value)
    assert f"/a/{{x}} ({__file__}:{here + 1})" in text
    assert f"/a/{{y}} ({__file__}:{here + 3})" in text
    assert len(router.routes) == 1


@pytest.mark.parametrize(
    ("pattern", "part"),
    [
        ("a", "begins with a slash"),
        ("/{", "never closed"),
        ("/a}b", "without"),
        ("/{x}{y}", "literal between"),
        ("/{x}/{x}", "one name"),
        ("/{x:nope}", "no converter"),
        ("/{x:re([)}", "no expression"),
        ("/{x:path}/y", "all that is left"),
        ("/" + "a/" * 100, "64 segments"),
    ],
)
def test_a_bad_pattern_is_refused_where_it_is_added(pattern: str, part: str) -> None:
    router = Router()
    with pytest.raises(RouteError) as error:
        router.add("GET", pattern, None)
    assert part in str(error.value)
    assert __file__ in str(error.value)
    assert router.routes == ()


def test_decorators_leave_functions_as_they_are() -> None:
    router = Router()

    def handler() -> None:
        pass

    for verb in ("get", "post", "put", "patch", "delete", "head", "options"):
        assert getattr(router, verb)(f"/{verb}")(handler) is handler
        assert router.lookup(verb.upper(), f"/{verb}") == (handler, {})
    assert router.ws("/ws")(handler) is handler
    assert router.route(["LOCK", "unlock"], "/locks")(handler) is handler
    assert router.allowed("/locks") == ("LOCK", "UNLOCK")


def test_methods_that_are_none() -> None:
    with pytest.raises(TypeError):
        Router().add([], "/a", None)
    with pytest.raises(TypeError):
        Router().add("", "/a", None)


def test_a_name_stands_once() -> None:
    router = Router()
    router.add("GET", "/a", 1, name="a")
    with pytest.raises(RouteError, match="name"):
        router.add("GET", "/b", 1, name="a")
    assert router.match("GET", "/b") is None


def test_options_that_are_none() -> None:
    with pytest.raises(ValueError, match="slash"):
        Router(slash="maybe")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="order"):
        Router(order="none")  # type: ignore[arg-type]


def test_routes_may_be_added_after_the_first_question() -> None:
    router = router_of("/a")
    router.freeze()
    assert router.match("GET", "/b") is None
    router.add("GET", "/b", 2)
    assert router.lookup("GET", "/b") == (2, {})


def test_merging_below_a_prefix() -> None:
    api = router_of("/", "/items/{id:hex}", converters={"hex": lambda text: int(text, 16)})
    router = Router()
    router.merge(api, "/api/")
    assert router.lookup("GET", "/api/items/ff") == ("/items/{id:hex}", {"id": 255})
    assert router.lookup("GET", "/api/") == ("/", {})
    assert router.routes[0].place == api.routes[0].place


# --- converters of one's own


def test_own_converters() -> None:
    def hexadecimal(text: str, digits: str = "0") -> int:
        if digits != "0" and len(text) != int(digits):
            raise ValueError
        return int(text, 16)

    router = router_of("/{n:hex}", "/{s}", "/four/{n:hex(4)}", converters={"hex": hexadecimal})
    assert router.lookup("GET", "/ff") == ("/{n:hex}", {"n": 255})
    assert router.lookup("GET", "/xy") == ("/{s}", {"s": "xy"})
    assert router.lookup("GET", "/four/00ff") == ("/four/{n:hex(4)}", {"n": 255})
    assert router.match("GET", "/four/ff") is None


def test_what_a_converter_raises_is_raised() -> None:
    def broken(text: str) -> None:
        raise ZeroDivisionError

    router = router_of("/{n:broken}", converters={"broken": broken})
    with pytest.raises(ZeroDivisionError):
        router.lookup("GET", "/a")
    with pytest.raises(ZeroDivisionError):
        router.match("GET", "/a")
    with pytest.raises(ZeroDivisionError):
        router.allowed("/a")


def test_a_converter_may_add_routes_while_it_is_asked() -> None:
    router: Router

    def adding(text: str) -> str:
        for number in range(100):
            router.add("GET", f"/{text}/{len(router.routes)}/{number}", None)
        router.match("GET", "/")
        return text

    router = router_of("/{a:adding}", converters={"adding": adding})
    assert router.lookup("GET", "/x") == ("/{a:adding}", {"a": "x"})
    assert router.lookup("GET", "/y") == ("/{a:adding}", {"a": "y"})


def test_a_router_that_is_in_its_own_routes_is_collected() -> None:
    def used() -> "weakref.ref[Router]":
        router = Router(converters={"own": lambda text: router})
        router.add("GET", "/{a:own}", router)
        router.lookup("GET", "/a")
        return weakref.ref(router)

    gone = used()
    gc.collect()
    assert gone() is None


# --- url and explain


def test_urls() -> None:
    router = router_of("/")
    router.add("GET", "/users/{id:int}/{name}.{kind:enum(png,jpg)}", 1, name="photo")
    router.add("GET", "/files/{rest:path}", 2, name="file")
    router.add("GET", "/é/{when:date}/{u:uuid}/{f:float}", 3, name="other")
    router.add("GET", "/{{x}}/{r:re([0-9]+)}", 4, name="braces")
    assert router.url("photo", id=7, name="a/b é", kind="png") == "/users/7/a%2Fb%20%C3%A9.png"
    assert router.url("file", rest="a/b c") == "/files/a/b%20c"
    uuid = UUID("01234567-89ab-cdef-0123-456789abcdef")
    assert router.url("other", when=date(2026, 1, 2), u=uuid, f=1.5) == f"/%C3%A9/2026-01-02/{uuid}/1.5"
    assert router.url("braces", r="12") == "/%7Bx%7D/12"
    questions: list[tuple[str, dict[str, Any]]] = [
        ("photo", {"id": 7, "name": "x", "kind": "png"}),
        ("file", {"rest": "a/b c"}),
    ]
    for name, values in questions:
        found = router.match("GET", router.url(name, **values))
        assert found is not None
        assert found.route.name == name
        assert found.params == values


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"id": "x"}, ValueError),
        ({"id": ""}, ValueError),
        ({}, TypeError),
        ({"id": 1, "more": 2}, TypeError),
        ({"id": 10**20}, ValueError),
    ],
)
def test_urls_that_the_route_would_not_take(values: dict[str, Any], error: type[Exception]) -> None:
    router = Router()
    router.add("GET", "/{id:int}", None, name="n")
    with pytest.raises(error):
        router.url("n", **values)
    with pytest.raises(LookupError):
        router.url("nobody")


def test_explain() -> None:
    router = router_of("/users/{id:int}", "/users/{name}", "/users/{r:re(x+)}", "/b")
    text = router.explain("GET", "/users/12")
    assert "GET /users/{id:int}" in text
    assert "also has the path: GET /users/{name}" in text
    assert "steps" in text
    assert "slow: re(x+)" in router.explain("GET", "/users/xx")
    assert "405" in router.explain("PUT", "/b")
    assert "404" in router.explain("GET", "/c")
    assert "308" in router.explain("GET", "/b/")
    assert "400" in router.explain("GET", "/%")


@pytest.mark.parametrize(
    "call",
    [
        lambda r: r.lookup("GET"),
        lambda r: r.lookup("GET", 1),
        lambda r: r.lookup(1, "/"),
        lambda r: r.lookup("GET", "/", "h", "more"),
        lambda r: r.match("GET", "/", other=1),
        lambda r: r.allowed(),
        lambda r: Match(),
    ],
)
def test_calls_that_are_wrong(call: Callable[[Router], Any]) -> None:
    with pytest.raises(TypeError):
        call(router_of("/"))
