"""OpenAPI documents, and the page that shows them, tried in a browser."""

import dataclasses
import enum
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import pydantic
import pytest
from support.process import environment
from websockets.sync.client import ClientConnection, connect

from velocem import App, Body, Client, Cookie, File, Form, Group, Header, Html, NotFound, Redirect, Server

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Item(msgspec.Struct):
    """A thing."""

    name: Annotated[str, msgspec.Meta(min_length=1, description="what it is called")]
    price: float = 1.0


class Order(msgspec.Struct):
    items: list[Item]


class Model(pydantic.BaseModel):
    name: str = pydantic.Field(min_length=2)
    inner: "list[Model]" = []


class Dict(TypedDict):
    a: int


@dataclasses.dataclass
class Point:
    x: int


def shop() -> App:
    app = App(title="Shop", version="2.1", description="For everyone.")
    items = Group("/items", tags=["items"])

    @items.get("/{id:int}")
    def item(
        id: int,
        q: str = "x",
        colour: Colour = Colour.RED,
        order: Literal["up", "down"] = "up",
        tag: list[str] = [],
        since: date | None = None,
        size: Annotated[int, msgspec.Meta(ge=1, le=9)] = 3,
    ) -> Item:
        """One item.

        With all that is known of it.
        """
        if id != 7:
            raise NotFound("no such item", item=id)
        return Item(f"{q} {colour.value}", size)

    @items.post("/", status=201)
    def add(new: Item, x_key: Header[str], sid: Cookie[str | None] = None) -> Item:
        return new

    @items.delete("/{id:int}", deprecated=True)
    def drop(id: int) -> None: ...

    app.include(items)

    @app.post("/orders")
    def order(o: Order) -> list[Order]:
        return [o]

    @app.post("/models")
    def models(m: Model) -> Model:
        return m

    @app.post("/points")
    def points(p: Point) -> Dict:
        return {"a": p.x}

    @app.post("/login")
    def login(user: Form[str], keep: Form[bool] = False) -> Redirect:
        return Redirect("/")

    @app.get("/events")
    async def events() -> AsyncIterator[Item]:
        yield Item("a")

    app.get("/page")(page)
    app.get("/files/{rest:path}")(files)
    app.put("/raw")(raw)
    app.route(["GET", "POST"], "/both")(both)
    app.get("/hidden", hidden=True)(both)
    app.docs()
    return app


def page() -> Html:
    return Html("<p>")


def files(rest: str) -> File:
    return File(rest)


def raw(data: Body[bytes]) -> str:
    return str(len(data))


def both() -> dict[str, int]:
    return {}


def test_a_document_of_every_kind_of_route() -> None:
    told = shop().openapi()
    assert told["openapi"].startswith("3.1.")
    assert told["info"] == {"title": "Shop", "version": "2.1", "description": "For everyone."}
    paths = "/items/{id} /items/ /orders /models /points /login /events /page /files/{rest} /raw /both"
    assert set(told["paths"]) == set(paths.split())
    assert set(told["components"]["schemas"]) == {"Problem", "Item", "Order", "Model", "Point", "Dict", "Colour"}
    item = told["paths"]["/items/{id}"]["get"]
    assert (item["summary"], item["description"], item["tags"]) == (
        "One item.",
        "With all that is known of it.",
        ["items"],
    )
    schemas = {(one["in"], one["name"]): (one["required"], one["schema"]) for one in item["parameters"]}
    assert schemas == {
        ("path", "id"): (True, {"type": "integer"}),
        ("query", "q"): (False, {"type": "string", "default": "x"}),
        ("query", "colour"): (False, {"$ref": "#/components/schemas/Colour", "default": "red"}),
        ("query", "order"): (False, {"enum": ["down", "up"], "default": "up"}),
        ("query", "tag"): (False, {"type": "array", "items": {"type": "string"}}),
        ("query", "since"): (False, {"type": "string", "format": "date"}),
        ("query", "size"): (False, {"type": "integer", "minimum": 1, "maximum": 9, "default": 3}),
    }
    assert item["responses"]["200"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Item"}
    assert item["responses"]["422"]["content"]["application/problem+json"]["schema"] == {
        "$ref": "#/components/schemas/Problem"
    }
    assert told["paths"]["/items/{id}"]["delete"]["deprecated"] is True
    assert "204" in told["paths"]["/items/{id}"]["delete"]["responses"]


def test_bodies_and_responses_of_a_document() -> None:
    paths = shop().openapi()["paths"]
    add = paths["/items/"]["post"]
    assert [(one["in"], one["name"], one["required"]) for one in add["parameters"]] == [
        ("header", "x-key", True),
        ("cookie", "sid", False),
    ]
    body = add["requestBody"]
    assert (body["required"], body["content"]) == (
        True,
        {"application/json": {"schema": {"$ref": "#/components/schemas/Item"}}},
    )
    assert "201" in add["responses"]
    login = paths["/login"]["post"]
    assert login["requestBody"]["content"] == {
        "application/x-www-form-urlencoded": {
            "schema": {
                "type": "object",
                "properties": {"user": {"type": "string"}, "keep": {"type": "boolean"}},
                "required": ["user"],
            }
        }
    }
    assert "303" in login["responses"]
    kinds = {path: list(paths[path]["get"]["responses"]["200"]["content"]) for path in ("/events", "/page")}
    assert kinds == {"/events": ["application/jsonl"], "/page": ["text/html"]}
    assert paths["/raw"]["put"]["requestBody"]["content"] == {"*/*": {}}
    assert {paths["/both"][method]["operationId"] for method in ("get", "post")} == {"get_both", "post_both"}


def test_the_documentation_is_there_in_development_or_when_it_is_asked_for() -> None:
    app = App()
    with Client(app) as c:
        assert c.get("/docs").status == 404
    with Client(app, development=True) as c:
        shown = c.get("/docs")
        assert (shown.status, shown.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert "http://" not in shown.text
        assert "https://" not in shown.text  # nothing is asked of anybody else
        assert c.get("/openapi.json").json()["info"]["title"] == "API"
    app.docs(None)
    with Client(app, development=True) as c:
        assert c.get("/docs").status == 404
    app.docs("/about/api", openapi="/about/api.json")
    with Client(app) as c:
        assert '"../about/api.json"' in c.get("/about/api").text
        assert c.get("/about/api.json").status == 200


class Tab:
    """A page in a browser, asked by the DevTools protocol."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.number = 0

    def run(self, code: str) -> Any:
        """The value of an expression, which may be a promise."""
        self.number += 1
        told = {"expression": code, "awaitPromise": True, "returnByValue": True}
        self.socket.send(json.dumps({"id": self.number, "method": "Runtime.evaluate", "params": told}))
        while True:
            answer = json.loads(self.socket.recv(20))
            if answer.get("id") == self.number:
                assert "exceptionDetails" not in answer["result"], answer
                return answer["result"]["result"].get("value")

    def wait(self, code: str) -> Any:
        return wait_for(lambda: self.run(code))


def wait_for(ready: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 30
    while not (value := ready()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return value


def pages(file: Path) -> Any:
    """Those that are open, once the browser has said where it listens."""
    if not file.exists() or not file.read_text().partition("\n")[0]:
        return None
    port = file.read_text().partition("\n")[0]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as response:
        return [one for one in json.load(response) if one["type"] == "page"]


@pytest.fixture(name="tab")
def make_tab(tmp_path: Path) -> Iterator[Tab]:
    if BROWSER is None:
        pytest.skip("there is no chromium here")
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--remote-debugging-port=0",
        f"--user-data-dir={tmp_path}",
    ]
    with (
        Server(shop()) as server,
        subprocess.Popen(
            [BROWSER, *options, f"{server.url}/docs"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment(),
        ) as process,
    ):
        try:
            (page,) = wait_for(lambda: pages(tmp_path / "DevToolsActivePort"))
            with connect(page["webSocketDebuggerUrl"], max_size=None) as socket:
                yield Tab(socket)
        finally:
            process.terminate()


SEND = """(async () => {
  const call = document.getElementById(%r);
  call.open = true;
  for (const [name, value] of Object.entries(%s)) {
    const label = [...call.querySelectorAll(".row label")].find(one => one.textContent.startsWith(name));
    label.parentElement.querySelector("input, select").value = value;
  }
  call.querySelector("button").click();
  while (!call.querySelector(".status")) await new Promise(done => setTimeout(done, 10));
  return [call.querySelector(".status").textContent.slice(0, 3), call.querySelector("pre").textContent];
})()"""


def test_the_page_in_a_browser(tab: Tab) -> None:
    assert tab.wait("document.querySelectorAll('details.call').length") == 13
    assert tab.run("document.title") == "Shop"
    assert tab.run("[...document.querySelectorAll('main > h2')].map(one => one.textContent)") == ["items", "Other"]

    status, shown = tab.run(SEND % ("item", json.dumps({"id": "7", "q": "hello", "colour": "blue", "size": "4"})))
    assert (status, json.loads(shown)) == ("200", {"name": "hello blue", "price": 4})
    assert tab.run("document.querySelector('#item .send code').textContent").startswith("GET /items/")

    status, shown = tab.run(SEND % ("drop", json.dumps({"id": "7"})))
    assert status == "204"
    status, shown = tab.run(SEND % ("order", "{}"))
    assert (status, json.loads(shown)) == ("200", [{"items": [{"name": "text", "price": 1.0}]}])
    status, shown = tab.run(SEND % ("add", "{}"))
    assert (status, json.loads(shown)["errors"]) == ("422", [{"loc": ["header", "x-key"], "msg": "is missing"}])

    tab.run(
        "document.getElementById('search').value = 'login';"
        "document.getElementById('search').dispatchEvent(new Event('input'))"
    )
    assert tab.run("[...document.querySelectorAll('#list a')].filter(one => one.style.display === '').length") == 1
