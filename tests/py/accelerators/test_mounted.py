"""Accelerated applications of others, mounted in an App: each answers what is its own, beside the App's routes."""

import json
import threading
from collections.abc import Iterator

import pytest
from support.client import Client, request

import velocem
from velocem import App, Server

pytest.importorskip("fastapi")
pytest.importorskip("flask")

from fastapi import Body, FastAPI
from flask import Flask, url_for


def make_flask() -> Flask:
    app = Flask("old")

    @app.get("/users/<int:number>")
    def user(number: int) -> str:
        return f"flask {number} in {threading.current_thread() is threading.main_thread()}"

    @app.get("/users/me")
    def me() -> str:
        return f"flask me, by {url_for('user', number=7)}"

    return velocem.accelerate(app)


def make_fastapi() -> FastAPI:
    app = FastAPI()

    @app.get("/users/{number}")
    async def user(number: int, q: str = "") -> dict[str, object]:
        return {"fastapi": number, "q": q}

    @app.post("/users")
    async def add(name: str = Body(embed=True)) -> dict[str, str]:
        return {"added": name}

    return velocem.accelerate(app)


@pytest.fixture(name="server", scope="module")
def make_server() -> Iterator[Server]:
    app = App()

    @app.get("/users/{number:int}")
    def user(number: int) -> str:
        return f"own {number}"

    app.mount("/old", make_flask())
    app.mount("/api", make_fastapi())
    with Server(app) as server:
        yield server


@pytest.mark.parametrize(
    ("target", "status", "body"),
    [
        ("/users/1", 200, "own 1"),
        ("/users/me", 404, None),
        ("/old/users/2", 200, "flask 2 in False"),
        ("/old/users/me", 200, "flask me, by /old/users/7"),
        ("/old/users/x", 404, None),
        ("/old/", 404, None),
        ("/api/users/3?q=a%20b", 200, {"fastapi": 3, "q": "a b"}),
        ("/api/users/x", 422, None),
        ("/api/nothing", 404, {"detail": "Not Found"}),
    ],
)
def test_each_answers_its_own(server: Server, target: str, status: int, body: object) -> None:
    with Client(server) as client:
        for _ in range(2):
            got = client.ask(request("GET", target))
            assert got.status == status
            if body is not None:
                assert (json.loads(got.body) if isinstance(body, dict) else got.body.decode()) == body


def test_methods_and_bodies_are_theirs_too(server: Server) -> None:
    with Client(server) as client:
        field = "Content-Type: application/json"
        got = client.ask(request("POST", "/api/users", field, body=b'{"name": "Ada"}'))
        assert (got.status, json.loads(got.body)) == (200, {"added": "Ada"})
        assert client.ask(request("POST", "/old/users/2", body=b"")).status == 405
        assert client.ask(request("DELETE", "/api/users/3")).status == 405
        assert client.ask(request("GET", "/users/4")).body == b"own 4"
