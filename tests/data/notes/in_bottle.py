"""Notes in Bottle."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

from bottle import Bottle, HTTPError, HTTPResponse, request, response, static_file


def create_app() -> Bottle:
    app = Bottle()
    add_notes(app)
    for method, path, view in [
        ("POST", "/form", form),
        ("PUT", "/upload", upload),
        ("GET", "/count", count),
        ("GET", "/fail", fail),
        ("GET", "/cookie", cookie),
        ("GET", "/static/<name>", static),
    ]:
        app.route(path, method, view)
    return app


def add_notes(app: Bottle) -> None:
    notes: dict[int, object] = {}
    numbers = itertools.count(1)

    @app.get("/notes")
    def get_all() -> HTTPResponse:
        return json_list(list(notes.values()))

    @app.post("/notes")
    def add() -> object:
        number = next(numbers)
        notes[number] = {"id": number, **request.json}
        response.status = 201
        response.set_header("Location", f"/notes/{number}")
        return notes[number]

    @app.get("/notes/<number:int>")
    def get(number: int) -> object:
        if number not in notes:
            raise HTTPError(404, "no such note")
        return notes[number]

    @app.delete("/notes/<number:int>")
    def delete(number: int) -> HTTPResponse:
        notes.pop(number, None)
        return HTTPResponse(status=204)


def json_list(values: list[object]) -> HTTPResponse:
    """Bottle turns only dict into JSON by itself."""
    return HTTPResponse(json.dumps(values), **{"Content-Type": "application/json"})


def form() -> str:
    response.content_type = "text/plain; charset=utf-8"
    return "\n".join(f"{name}={value}" for name, value in sorted(request.forms.decode().items()))


def upload() -> dict[str, int]:
    size, body = 0, request.body  # each use of the property goes back to the start
    while block := body.read(10000):
        size += len(block)
    return {"size": size}


def count() -> Iterator[str]:
    response.content_type = "text/plain; charset=utf-8"
    for number in range(int(request.query.get("to", 10))):
        yield f"{number}\n"


def fail() -> str:
    raise LookupError("this page is broken")


def cookie() -> dict[str, str]:
    response.set_cookie("one", "1")
    response.set_cookie("two", "2")
    return dict(request.cookies)


def static(name: str) -> HTTPResponse:
    return static_file(name, Path(__file__).parent / "static")
