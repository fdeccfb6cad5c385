"""Bad input, row by row, by each face: what is answered, and that the next request is not hurt by it."""

import json
from collections.abc import Iterator
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pydantic
import pytest
from support.client import Client

from velocem import App, Body, Cookie, Form, Header, Limits, Response, Server

PROBLEM = "application/problem+json"
JSON = "Content-Type: application/json"
FORM = "Content-Type: application/x-www-form-urlencoded"


class Colour(Enum):
    RED = "red"


class New(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=5)]
    tags: list[int] = []


class Model(pydantic.BaseModel):
    name: str
    size: int


app = App()
app.use(Limits(body=64))


@app.get("/ok")
def ok() -> str:
    return "ok"


@app.get("/typed/{n:int}")
def typed(
    n: int,
    page: int = 1,
    ratio: float = 1.0,
    on: bool = False,
    colour: Colour = Colour.RED,
    order: Literal["up", "down"] = "up",
    key: UUID | None = None,
    many: list[int] = [],
    small: Annotated[int, msgspec.Meta(ge=1, le=9)] = 1,
) -> str:
    return "typed"


@app.get("/path/{n}")
def path(n: int) -> int:
    return n


@app.get("/name/{name}")
def named(name: str) -> str:
    return name


@app.get("/needs")
def needs(q: str, x_key: Header[int], sid: Cookie[int]) -> str:
    return q


@app.post("/json")
def take_json(new: New) -> str:
    return new.name


@app.post("/model")
def take_model(new: Model) -> str:
    return new.name


@app.post("/form")
def take_form(name: Form[str], n: Form[int]) -> str:
    return name


@app.post("/raw")
def take_raw(data: Body[bytes]) -> int:
    return len(data)


@app.get("/inject/{what}")
def inject(what: str) -> Response:
    return {
        "value": Response("", headers={"x-a": "1\r\nx-injected: 2"}),
        "bare-cr": Response("", headers={"x-a": "1\rx-injected: 2"}),
        "name": Response("", headers={"x-a: 1\r\nx-injected": "2"}),
        "nul": Response("", headers={"x-a": "\0"}),
        "not-latin": Response("", headers={"x-a": "€"}),
    }[what]


def request(line: str, *fields: str, body: bytes = b"") -> bytes:
    length = [f"Content-Length: {len(body)}"] if body or line.startswith("POST") else []
    return "\r\n".join([f"{line} HTTP/1.1", "Host: a", *length, *fields, "", ""]).encode("latin-1") + body


def post(target: str, body: bytes, *fields: str) -> bytes:
    return request(f"POST {target}", *fields, body=body)


ROWS: dict[str, tuple[bytes, int, Any]] = {
    "no route": (request("GET /none"), 404, None),
    "no integer": (request("GET /typed/x"), 404, None),
    "a path that is no integer": (request("GET /path/x"), 422, [["path", "n"]]),
    "an integer too long": (request("GET /path/" + "9" * 5000), 422, [["path", "n"]]),
    "a broken escape": (request("GET /path/%zz"), 400, None),
    "not utf-8": (request("GET /name/%ff"), 422, [["path", "name"]]),
    "another method": (request("POST /ok"), 405, None),
    "a method of nobody": (request("BREW /ok"), 405, None),
    "all that is missing": (request("GET /needs"), 422, [["query", "q"], ["header", "x-key"], ["cookie", "sid"]]),
    "header and cookie": (
        request("GET /needs?q=a", "X-Key: b", "Cookie: sid=c"),
        422,
        [["header", "x-key"], ["cookie", "sid"]],
    ),
    "every type of the query": (
        request("GET /typed/1?page=a&ratio=b&on=c&colour=d&order=e&key=f&many=1&many=g&small=10"),
        422,
        [["query", name] for name in ("page", "ratio", "on", "colour", "order", "key", "many", "small")],
    ),
    "an empty integer": (request("GET /typed/1?page="), 422, [["query", "page"]]),
    "malformed json": (post("/json", b'{"name":', JSON), 400, [["body"]]),
    "json with a tail": (post("/json", b'{"name":"a"} x', JSON), 400, [["body"]]),
    "json that is not utf-8": (post("/json", b'{"name":"\xff"}', JSON), 400, [["body"]]),
    "json of another shape": (post("/json", b"[]", JSON), 422, [["body"]]),
    "a field missing": (post("/json", b"{}", JSON), 422, [["body", "name"]]),
    "a field unknown": (post("/json", b'{"name":"a","x":1}', JSON), 422, [["body"]]),
    "a field too long": (post("/json", b'{"name":"abcdef"}', JSON), 422, [["body", "name"]]),
    "deep inside": (post("/json", b'{"name":"a","tags":[1,"x"]}', JSON), 422, [["body", "tags", 1]]),
    "pydantic: all that is wrong": (post("/model", b'{"size":"x"}', JSON), 422, [["body", "name"], ["body", "size"]]),
    "pydantic: malformed": (post("/model", b"{", JSON), 400, [["body"]]),
    "no body": (post("/json", b"", JSON), 422, [["body"]]),
    "another type": (post("/json", b"name=a", FORM), 415, None),
    "no type": (post("/json", b'{"name":"a"}'), 415, None),
    "a form that is json": (post("/form", b"{}", JSON), 415, None),
    "a form": (post("/form", b"n=x", FORM), 422, [["form", "name"], ["form", "n"]]),
    "over the limit": (post("/raw", b"x" * 65), 413, None),
    "chunks over the limit": (
        request("POST /raw", "Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")
        + b"41\r\n" + b"x" * 65 + b"\r\n0\r\n\r\n",
        413,
        None,
    ),
}  # fmt: skip


@pytest.fixture(name="server", params=["native", "asgi", "wsgi"], scope="module")
def make_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with Server(app, interface=request.param) as server:
        yield server


@pytest.mark.parametrize("row", ROWS)
def test_bad_input(server: Server, row: str) -> None:
    data, status, locs = ROWS[row]
    if (row, server.config.interface) in {("a broken escape", "wsgi"), ("not utf-8", "asgi")}:
        pytest.skip("the interface has the path decoded: what was wrong with it is not seen any more")
    with Client(server) as client:
        answer = client.ask(data)
        assert (answer.status, answer.get("Content-Type")) == (status, PROBLEM)
        problem = json.loads(answer.body)
        assert (problem["type"], problem["status"]) == ("about:blank", status)
        assert problem["title"]
        assert [error["loc"] for error in problem.get("errors", [])] == (locs or [])
        assert all(error["msg"] for error in problem.get("errors", []))
        if status == 405:
            assert answer.get("Allow") == "GET, HEAD, OPTIONS"
        if not answer.closes:
            assert client.ask(request("GET /ok")).body == b"ok"


@pytest.mark.parametrize("what", ["value", "bare-cr", "name", "nul", "not-latin"])
def test_no_header_is_injected(server: Server, what: str, caplog: pytest.LogCaptureFixture) -> None:
    with Client(server) as client:
        answer = client.ask(request(f"GET /inject/{what}"))
        assert (answer.status, answer.get("x-injected"), answer.get("x-a")) == (500, None, None)
        assert json.loads(answer.body)["status"] == 500
        assert client.ask(request("GET /ok")).body == b"ok"
    assert caplog.records


def test_what_is_right_is_taken(server: Server) -> None:
    with Client(server) as client:
        right = "page=1&ratio=.5&on=YES&colour=red&order=down&key=12345678-1234-5678-1234-567812345678&many=-1&small=9"
        assert client.ask(request(f"GET /typed/-1?{right}")).body == b"typed"
        assert client.ask(request("GET /needs?q=", "x-key: 1", "Cookie: a=b; sid=7")).status == 200
        assert client.ask(post("/raw", b"x" * 64)).body == b"64"
        assert client.ask(post("/form", b"name=%C3%A9+b&n=2", FORM)).body.decode() == "é b"
        head = client.ask(request("HEAD /ok"), head=True)
        assert (head.status, head.get("Content-Length")) == (200, "2")
        options = client.ask(request("OPTIONS /json"))
        assert (options.status, options.get("Allow")) == (204, "OPTIONS, POST")
        moved = client.ask(request("GET /typed/1/?x=%20"))
        assert (moved.status, moved.get("Location")) == (308, "../1?x=%20")
