"""Applications by the test client: routes, arguments, results, errors, groups and hooks."""

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import date
from typing import Annotated, Any

import msgspec
import pytest

from velocem.app import App
from velocem.exceptions import Conflict, HTTPError, NotFound, StartError
from velocem.groups import Group
from velocem.params import Body, Cookie, Form, Header, Name, Query
from velocem.pipeline import Next
from velocem.policies import Limits
from velocem.requests import Request
from velocem.responses import Html, Problem, Redirect, Response
from velocem.testing import Answer, AsyncClient, Client


class New(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(min_length=1)]
    age: int = 0


def ask(app: App, method: str, url: str, **sent: Any) -> Answer:
    with Client(app) as client:
        return client.request(method, url, **sent)


def test_a_decorator_gives_the_function_back() -> None:
    app = App()

    def hello() -> str:
        return "hi"

    assert app.get("/")(hello) is hello


@pytest.mark.parametrize(
    ("result", "status", "kind", "body"),
    [
        ("é", 200, "text/plain; charset=utf-8", "é".encode()),
        ("", 200, "text/plain; charset=utf-8", b""),
        (b"\0", 200, "application/octet-stream", b"\0"),
        (None, 204, None, b""),
        ({"a": [1, 2.5, None, True]}, 200, "application/json", b'{"a":[1,2.5,null,true]}'),
        ([], 200, "application/json", b"[]"),
        (5, 200, "application/json", b"5"),
        (New("a"), 200, "application/json", b'{"name":"a","age":0}'),
        ([New("a")], 200, "application/json", b'[{"name":"a","age":0}]'),
        (date(2026, 1, 2), 200, "application/json", b'"2026-01-02"'),
        (("made", 201), 201, "text/plain; charset=utf-8", b"made"),
        (({"a": 1}, 202, {"x-one": "1"}), 202, "application/json", b'{"a":1}'),
        (("<p>", 200, {"content-type": "text/html"}), 200, "text/html", b"<p>"),
        (Html("<p>"), 200, "text/html; charset=utf-8", b"<p>"),
        (Response("x", 404), 404, "text/plain; charset=utf-8", b"x"),
        (Redirect("/"), 303, None, b""),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("way", ["plain", "waiting", "hooked"])
def test_results(result: Any, status: int, kind: str | None, body: bytes, way: str) -> None:
    app = App()
    if way == "waiting":

        @app.get("/")
        async def waiting():  # type: ignore[no-untyped-def] # noqa: ANN202
            await asyncio.sleep(0)
            return result

    else:
        app.get("/")(lambda: result)
    if way == "hooked":
        app.after(lambda res: None)
    answer = ask(app, "GET", "/")
    assert (answer.status, answer.headers.get("content-type"), answer.body) == (status, kind, body)


@pytest.mark.parametrize("hooked", [False, True])
def test_streams(hooked: bool) -> None:
    app = App()
    if hooked:
        app.after(lambda res: None)

    @app.get("/lines")
    async def lines() -> AsyncIterator[dict[str, int]]:
        for n in range(2):
            yield {"n": n}

    @app.get("/text")
    def text() -> Iterator[str]:
        yield "a"
        yield "é"

    @app.get("/bytes")
    async def data() -> AsyncIterator[bytes]:
        yield b"a"

    @app.get("/any")
    def mixed():  # type: ignore[no-untyped-def] # noqa: ANN202
        yield "a"
        yield {"b": 1}

    with Client(app) as c:
        told = {path: c.get(path) for path in ("/lines", "/text", "/bytes", "/any")}
    assert [(one.headers["content-type"], one.body) for one in told.values()] == [
        ("application/jsonl", b'{"n":0}\n{"n":1}\n'),
        ("text/plain; charset=utf-8", "aé".encode()),
        ("application/octet-stream", b"a"),
        ("text/plain; charset=utf-8", b'a{"b":1}\n'),
    ]


def everything() -> App:
    app = App()

    @app.get("/path/{id}/{rest:path}")
    def path(id: int, rest: str) -> list[Any]:
        return [id, rest]

    @app.get("/query")
    def query(
        page: int = 1,
        tag: list[str] = [],
        since: Annotated[Query[date | None], Name("from")] = None,
        *,
        on: bool = False,
    ) -> list[Any]:
        return [page, tag, since, on]

    @app.get("/head")
    def head(authorization: Header[str], x_many: Header[list[str]] = [], sid: Cookie[str | None] = None) -> list[Any]:
        return [authorization, x_many, sid]

    @app.post("/json", status=201)
    async def json(new: New) -> New:
        return new

    @app.post("/form")
    def form(name: Form[str], n: Form[list[int]] = []) -> list[Any]:
        return [name, n]

    @app.post("/model")
    def model(new: Form[New]) -> New:
        return new

    @app.post("/raw")
    def raw(data: Body[bytes]) -> bytes:
        return data[::-1]

    @app.post("/any")
    def anything(data: Body[dict[str, int]]) -> int:
        return sum(data.values())

    @app.get("/request")
    def request(req: Request) -> list[Any]:
        return [
            req.method,
            req.path,
            req.query,
            req.headers.get("x-a"),
            req.cookies,
            req.url,
            req.scheme,
            req.path_params,
        ]

    return app


@pytest.mark.parametrize(
    ("method", "url", "sent", "status", "told"),
    [
        ("GET", "/path/7/a/b%20c", {}, 200, [7, "a/b c"]),
        ("GET", "/path/x/a", {}, 422, [["path", "id"]]),
        ("GET", "/query", {}, 200, [1, [], None, False]),
        (
            "GET",
            "/query?page=3&tag=a&tag=b&from=2026-01-02&on=yes",
            {},
            200,
            [3, ["a", "b"], "2026-01-02", True],
        ),
        ("GET", "/query?page=x&from=y&on=z", {}, 422, [["query", "page"], ["query", "from"], ["query", "on"]]),
        ("GET", "/query", {"params": {"tag": ["a", "b"], "on": True}}, 200, [1, ["a", "b"], None, True]),
        ("GET", "/head", {}, 422, [["header", "authorization"]]),
        (
            "GET",
            "/head",
            {"headers": [("Authorization", "k"), ("X-Many", "1"), ("x-many", "2")], "cookies": {"sid": "s"}},
            200,
            ["k", ["1", "2"], "s"],
        ),
        ("POST", "/json", {"json": {"name": "a", "age": 3}}, 201, {"name": "a", "age": 3}),
        ("POST", "/json", {"json": {"name": ""}}, 422, [["body", "name"]]),
        ("POST", "/json", {"json": {}}, 422, [["body", "name"]]),
        ("POST", "/json", {}, 422, [["body"]]),
        ("POST", "/json", {"body": "{", "headers": {"content-type": "application/json"}}, 400, None),
        ("POST", "/json", {"body": "name=a", "headers": {"content-type": "text/plain"}}, 415, None),
        ("POST", "/json", {"body": '{"name":"a"}'}, 415, None),
        (
            "POST",
            "/json",
            {"body": '{"name":"a"}', "headers": {"content-type": "application/vnd.a+json; charset=utf-8"}},
            201,
            {"name": "a", "age": 0},
        ),
        ("POST", "/form", {"data": {"name": "a b&c", "n": [1, 2]}}, 200, ["a b&c", [1, 2]]),
        ("POST", "/form", {"data": {"n": "x"}}, 422, [["form", "name"], ["form", "n"]]),
        ("POST", "/form", {"json": {}}, 415, None),
        ("POST", "/model", {"data": {"name": "a", "age": "4"}}, 200, {"name": "a", "age": 4}),
        ("POST", "/model", {"data": {"age": "4"}}, 422, [["form", "name"]]),
        ("POST", "/any", {"json": {"a": 1, "b": 2}}, 200, 3),
        ("POST", "/any", {"json": {"a": "x"}}, 422, [["body", "*"]]),
        (
            "GET",
            "/request?a=1&a=2",
            {"headers": {"X-A": "é"}, "cookies": {"c": "d"}},
            200,
            [
                "GET",
                "/request",
                {"a": ["1", "2"]},
                "é",
                {"c": "d"},
                "http://testserver/request?a=1&a=2",
                "http",
                {},
            ],
        ),
    ],
)
def test_arguments(method: str, url: str, sent: Any, status: int, told: Any) -> None:
    answer = ask(everything(), method, url, **sent)
    assert answer.status == status, answer
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["status"] == status
        assert told is None or [error["loc"] for error in problem["errors"]] == told
    else:
        assert answer.json() == told


def test_a_body_as_it_is() -> None:
    assert ask(everything(), "POST", "/raw", body=b"ab\xff").body == b"\xffba"


def test_defaults_that_are_lists_are_not_shared() -> None:
    app = App()

    @app.get("/")
    def add(tag: list[str] = []) -> list[str]:
        tag.append("x")
        return tag

    with Client(app) as c:
        assert [c.get("/").json(), c.get("/").json()] == [["x"], ["x"]]


def test_over_the_limit() -> None:
    app = App()
    app.use(Limits(body=10))
    app.post("/")(everything)

    @app.post("/little")
    def little(data: Body[bytes]) -> int:
        return len(data)

    @app.post("/more", body_limit="1k")
    def more(data: Body[bytes]) -> int:
        return len(data)

    with Client(app) as c:
        assert [c.post("/little", body=b"x" * n).status for n in (10, 11)] == [200, 413]
        assert [c.post("/more", body=b"x" * n).status for n in (1024, 1025)] == [200, 413]


def test_methods_slashes_and_paths() -> None:
    app = App()
    app.get("/a")(lambda: "a")
    app.route(["PUT", "PATCH"], "/a")(lambda: "changed")
    app.route(None, "/any")(lambda: "any")
    with Client(app) as c:
        refused = c.post("/a")
        assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS, PATCH, PUT")
        assert c.patch("/a").text == "changed"
        assert c.request("BREW", "/any").text == "any"
        head = c.head("/a")
        assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "1")
        options = c.options("/a")
        assert (options.status, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS, PATCH, PUT")
        moved = c.get("/a/?x=1")
        assert (moved.status, moved.headers["location"]) == (308, "../a?x=1")
        assert c.get("/nothing").json() == {"type": "about:blank", "title": "Not Found", "status": 404}
        assert c.get("/%zz").status == 400


@pytest.mark.parametrize("wait", [False, True])
def test_errors_have_their_answers(wait: bool, caplog: pytest.LogCaptureFixture) -> None:
    app = App()

    class Taken(Exception):
        pass

    class MoreTaken(Taken):
        pass

    if wait:

        @app.error(Taken)
        async def taken_later(e: Taken, req: Request) -> Problem:
            await asyncio.sleep(0)
            return Problem(409, f"{e} at {req.path}")

    else:

        @app.error(Taken)
        def taken(e: Taken, req: Request) -> Problem:
            return Problem(409, f"{e} at {req.path}")

    @app.get("/{what}")
    def fail(what: str) -> None:
        raise {
            "none": NotFound("no such user", user_id=7),
            "taken": MoreTaken("it is"),
            "tea": HTTPError(418, "short", headers={"x-pot": "1"}),
            "bug": ZeroDivisionError("secret"),
        }[what]

    with Client(app) as c:
        assert c.get("/none").json() == {
            "type": "about:blank",
            "title": "Not Found",
            "status": 404,
            "detail": "no such user",
            "user_id": 7,
        }
        assert (c.get("/taken").status, c.get("/taken").json()["detail"]) == (409, "it is at /taken")
        assert (c.get("/tea").status, c.get("/tea").headers["x-pot"]) == (418, "1")
        assert not caplog.records
        bug = c.get("/bug")
        assert (bug.status, bug.json()) == (
            500,
            {"type": "about:blank", "title": "Internal Server Error", "status": 500},
        )
    assert "GET /bug failed" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_who_answers_for_a_status_answers_for_what_reached_no_handler() -> None:
    app = App()

    @app.get("/n")
    def number(n: int) -> int:
        return n

    @app.error(NotFound)
    def lost(e: NotFound, req: Request) -> Any:
        return f"no {req.path}", 404

    @app.error(HTTPError)
    def other(e: HTTPError) -> Any:
        return f"it is {e.status}", e.status, dict(e.headers)

    with Client(app) as c:
        assert c.get("/x").text == "no /x"
        refused = c.post("/n")
        assert (refused.status, refused.text, refused.headers["allow"]) == (405, "it is 405", "GET, HEAD, OPTIONS")
        assert c.get("/n?n=x").text == "it is 422"


def test_who_answers_for_exception_leaves_http_errors_alone() -> None:
    app = App()
    app.error(Exception)(lambda e: ("oh", 500))

    @app.get("/{n:int}")
    def fail(n: int) -> None:
        raise NotFound if n else KeyError

    with Client(app) as c:
        assert c.get("/1").status == 404
        assert c.get("/0").text == "oh"


def test_an_error_in_an_error_handler_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    app = App()
    app.error(KeyError)(lambda e: 1 / 0)

    @app.get("/")
    def fail() -> None:
        raise KeyError

    assert ask(app, "GET", "/").status == 500
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    "make",
    [
        lambda: Response("", headers={"x": "a\r\nset-cookie: b=c"}),
        lambda: ("", 200, {"x\r\ny": "1"}),
        lambda: ("", 200, {"x": "a\0"}),
    ],
)
def test_no_handler_injects_a_header(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    app = App()
    app.get("/")(make)
    answer = ask(app, "GET", "/")
    assert answer.status == 500
    assert "set-cookie" not in answer.headers
    assert caplog.records


def test_groups_join_prefixes_tags_hooks_and_errors() -> None:
    said: list[str] = []
    app = App()
    app.before(lambda: said.append("app before"))
    inner = Group("/inner", before=[lambda: said.append("inner before")])
    outer = Group("/api", after=[lambda res: said.append("outer after")])

    @inner.after
    def stamp(res: Response) -> None:
        said.append("inner after")
        res.headers["x-inner"] = "1"

    @inner.get("/{id}")
    def show(id: int) -> int:
        said.append("handler")
        return id

    @outer.error(KeyError)
    def missing(e: KeyError) -> Any:
        return "outer", 404

    @inner.get("/fail")
    def fail() -> None:
        raise KeyError

    outer.include(inner)
    app.include(outer)
    app.get("/")(lambda: "root")
    with Client(app) as c:
        answer = c.get("/api/inner/5")
        assert (answer.json(), answer.headers["x-inner"]) == (5, "1")
        assert said == ["app before", "inner before", "handler", "inner after", "outer after"]
        said.clear()
        assert (c.get("/api/inner/fail").text, said) == (
            "outer",
            ["app before", "inner before", "inner after", "outer after"],
        )
        assert "x-inner" not in c.get("/").headers
    with pytest.raises(ValueError, match="itself"):
        inner.include(outer)
    with pytest.raises(ValueError, match="slash"):
        Group("api")


def test_a_before_hook_may_answer_and_comes_before_what_is_wrong_with_the_rest() -> None:
    app = App()

    @app.before
    async def require_key(x_key: Header[str | None] = None) -> Response | None:
        return None if x_key == "k" else Response("who?", 401)

    @app.post("/{n}")
    def show(n: int, new: New, q: int = 1) -> Any:
        return [n, new, q]

    with Client(app) as c:
        assert c.post("/x").status == 401
        assert c.post("/x?q=y", json={"name": ""}).text == "who?"
        wrong = c.post("/x?q=y", json={"name": ""}, headers={"x-key": "k"})
        assert [error["loc"] for error in wrong.json()["errors"]] == [["path", "n"], ["body", "name"], ["query", "q"]]
        right = c.post("/3", json={"name": "a"}, headers={"x-key": "k"})
        assert right.json() == [3, {"name": "a", "age": 0}, 1]


def test_hooks_around_see_responses_and_failures() -> None:
    app = App()
    said: list[Any] = []
    group = Group("/g")

    @app.around
    async def outer(req: Request, call: Next) -> Response:
        try:
            res = await call()
        except ZeroDivisionError:
            said.append("failed")
            raise
        said.append(res.status)
        res.headers["x-path"] = req.path
        return res

    @group.around
    async def inner(call: Next, short: bool = False) -> Any:
        return ("short", 202) if short else await call()

    @group.get("/{n:int}")
    def show(n: int) -> float:
        if n == 1:
            raise Conflict("one")
        return 1 / n

    app.include(group)
    with Client(app) as c:
        assert (c.get("/g/2").json(), c.get("/g/2").headers["x-path"]) == (0.5, "/g/2")
        assert c.get("/g/1").status == 409
        assert (c.get("/g/2?short=true").text, c.get("/g/0").status) == ("short", 500)
    assert said == [200, 200, 409, 202, "failed"]


def test_a_hook_around_that_is_def_gets_the_response_at_once() -> None:
    app = App()

    @app.around
    def timed(call: Any) -> Response:
        res: Response = call()
        res.headers["x-timed"] = "1"
        return res

    app.get("/")(lambda: "a")
    assert ask(app, "GET", "/").headers["x-timed"] == "1"

    @app.get("/later")
    async def later() -> str:
        return "b"

    with pytest.raises(StartError, match="async def timed"), Client(app):
        pass


def test_blocking_handlers_run_in_threads_in_the_context_of_the_request() -> None:
    told: contextvars.ContextVar[str] = contextvars.ContextVar("told", default="none")
    app = App()
    group = Group("/t", blocking=True)

    @group.get("/")
    def threaded() -> list[Any]:
        return [threading.current_thread() is threading.main_thread(), told.get()]

    @group.get("/not", blocking=False)
    def inline() -> bool:
        return threading.current_thread() is threading.main_thread()

    @group.get("/stream")
    def stream() -> Iterator[str]:
        yield str(threading.current_thread() is threading.main_thread())

    app.include(group)
    app.get("/loop")(lambda: threading.current_thread() is threading.main_thread())
    told.set("yes")
    with Client(app) as c:
        assert (c.get("/t/").json(), c.get("/t/not").json(), c.get("/loop").json()) == ([False, "yes"], True, True)
        assert c.get("/t/stream").text == "False"
    with Client(app, threads=True) as c:
        assert c.get("/loop").json() is False


def test_two_routes_of_one_path_stop_the_start() -> None:
    app = App()
    app.get("/a/{x}")(lambda x: x)
    app.get("/a/{y}")(lambda y: y)
    with pytest.raises(StartError, match="is there already"), Client(app):
        pass


def test_urls_by_name_and_by_function() -> None:
    app = App()

    @app.get("/users/{id:int}")
    def user(id: int) -> int:
        return id

    app.get("/x", name="ex")(lambda: None)
    app.get("/y")(lambda: None)
    app.get("/z")(lambda: None)
    assert (app.url("user", id=4), app.url(user, id=5), app.url("ex")) == ("/users/4", "/users/5", "/x")
    with pytest.raises(LookupError):
        app.url("<lambda>")
    with pytest.raises(LookupError):
        app.url(test_results)


def test_routes_may_come_while_a_client_is_open() -> None:
    app, group = App(), Group("/g")
    app.include(group)
    with Client(app) as c:
        assert c.get("/g/a").status == 404
        group.get("/a")(lambda: "a")
        assert c.get("/g/a").text == "a"


def test_cookies_are_kept_by_a_client() -> None:
    app = App()

    @app.get("/in")
    def sign_in() -> Response:
        res = Response("in")
        res.set_cookie("sid", "7")
        return res

    @app.get("/out")
    def sign_out() -> Response:
        res = Response("out")
        res.delete_cookie("sid")
        return res

    @app.get("/who")
    def who(sid: Cookie[str] = "nobody") -> str:
        return sid

    with Client(app) as c:
        assert [c.get(path).text for path in ("/who", "/in", "/who", "/out", "/who")] == [
            "nobody",
            "in",
            "7",
            "out",
            "nobody",
        ]


def test_the_async_client_is_for_where_a_loop_runs() -> None:
    app = App()

    @app.get("/")
    async def hello() -> str:
        return "hi"

    async def main() -> str:
        async with AsyncClient(app) as c:
            return (await c.get("/")).text

    assert asyncio.run(main()) == "hi"
