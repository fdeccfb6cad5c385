"""uwsgi packets under an App of Velocem's own."""

import json
from typing import Any

from support.packets import ask, usual

from velocem import App, Body, Request, Server

app = App()


@app.get("/items/{name}")
def item(request: Request, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "path": request.path,
        "raw_path": request.raw_path.decode(),
        "scheme": request.scheme,
        "client": request.client,
        "root_path": request.root_path,
        "own": request.headers.get("x-own"),
    }


@app.post("/items")
def add(item: Body[dict[str, str]]) -> dict[str, Any]:
    return {"size": len(item["text"])}


def test_request_has_what_the_packet_says() -> None:
    many = {f"VARIABLE_{number}": "x" * 50 for number in range(80)}  # which are the gateway's, and no fields
    pairs = usual(PATH_INFO="/app/items/a%41 b", REQUEST_URI="/app/items/a%2541%20b?x=1", SCRIPT_NAME="/app")
    with Server(app, bind="uwsgi://127.0.0.1:0") as server:
        for _ in range(2):
            response = ask(server, [*pairs, ("HTTPS", "on"), ("HTTP_X_OWN", "own"), *many.items()])
            assert response.status == 200
            assert json.loads(response.body) == {
                "name": "a%41 b",
                "path": "/items/a%41 b",
                "raw_path": "/app/items/a%2541%20b",
                "scheme": "https",
                "client": ["192.0.2.1", 40000],
                "root_path": "/app",
                "own": "own",
            }


def test_body_arrives_whole() -> None:
    body = json.dumps({"text": "x" * 300_000}).encode()
    pairs = usual(REQUEST_METHOD="POST", PATH_INFO="/items", REQUEST_URI="/items", CONTENT_TYPE="application/json")
    with Server(app, bind="uwsgi://127.0.0.1:0") as server:
        length = [(name, str(len(body)) if name == "CONTENT_LENGTH" else value) for name, value in pairs]
        assert json.loads(ask(server, length, body).body) == {"size": 300_000}
