"""What finding a route costs a request of Flask's and of FastAPI's with 200 routes, as it is and accelerated.

    python bench/routers/share.py [rounds]

Requests are made in this process, without a server, so that nothing else is in the figures. The search is measured by
itself: Flask's is its adapter's match, FastAPI's a call of its router with routes that do nothing once they are found.
Each figure is the best of the rounds, in each of which every application is asked once for every path.
"""

import io
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from flask import Flask

import velocem

sys.path[0] = str(Path(__file__).resolve().parent.parent)

from routers.routes import Route, filled, growing  # noqa: E402

ROUTES = 200
KINDS = ("as it is", "accelerated")
Ask = Callable[[list[str]], None]
Make = Callable[[list[Route]], tuple[list[Any], Ask, Ask]]  # applications, their requests, and only their searches


def page() -> dict[str, str]:
    return {"hello": "world"}


def item(id: str) -> dict[str, str]:  # noqa: A002 - the parameter's name
    return {"id": id}


async def async_page() -> dict[str, str]:
    return page()


async def async_item(id: str) -> dict[str, str]:  # noqa: A002
    return item(id)


def flask(routes: list[Route]) -> tuple[list[Any], Ask, Ask]:
    app = Flask("share")
    for route in routes:
        path = route.path.replace("{", "<").replace("}", ">")
        app.add_url_rule(path, str(route.target), item if "{" in route.path else page)

    adapter = app.url_map.bind("127.0.0.1", "/")

    def ask(paths: list[str]) -> None:
        for path in paths:
            for _ in app(environ(path), started):
                pass

    def search(paths: list[str]) -> None:
        for path in paths:
            adapter.match(path, "GET", return_rule=True)

    return [app], ask, search


def environ(path: str) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


def started(status: str, _headers: Any, _exc_info: Any = None) -> Any:
    if status != "200 OK":
        raise SystemExit(f"share: {status}")


def fastapi(routes: list[Route]) -> tuple[list[Any], Ask, Ask]:
    app, searched = FastAPI(openapi_url=None), FastAPI(openapi_url=None)
    for route in routes:
        endpoint = async_item if "{" in route.path else async_page
        app.get(route.path)(endpoint)
        searched.get(route.path)(endpoint)
    for declared in searched.router.routes:
        declared.handle = nothing  # type: ignore[assignment]
    return [app, searched], partial(ask_asgi, app), partial(ask_asgi, searched.router)


def ask_asgi(app: Any, paths: list[str]) -> None:
    """Nothing here waits, so that no event loop is needed."""
    for path in paths:
        try:
            app(scope(path), receive, send).send(None)
        except StopIteration:
            continue
        raise SystemExit("share: an application waits")


async def nothing(_scope: Any, _receive: Any, _send: Any) -> None:
    """In the place of a route's own."""


def scope(path: str) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }


async def receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(message: Any) -> None:
    if message.get("status", 200) != 200:
        raise SystemExit(f"share: {message}")


def cost(ask: Ask, paths: list[str]) -> float:
    """Nanoseconds of the processor's for a request."""
    start = time.process_time_ns()
    ask(paths)
    return (time.process_time_ns() - start) / len(paths)


def measure(make: Make, rounds: int) -> dict[str, float]:
    """Of requests and of the search, of both kinds."""
    routes = growing(ROUTES)
    paths = [filled(route.path) for route in routes]
    asked: dict[str, Ask] = {}
    for kind in KINDS:
        apps, asked[kind], asked[f"{kind}, search"] = make(routes)
        if kind == "accelerated":
            for app in apps:
                velocem.accelerate(app)
    best = dict.fromkeys(asked, float("inf"))
    for _ in range(rounds):
        for name, ask in asked.items():
            best[name] = min(best[name], cost(ask, paths))
    return best


def lines(rounds: int) -> Iterator[str]:
    yield f"| µs of a request, {ROUTES} routes | as it is | of it the search | accelerated | of it the search |"
    yield "|---|---|---|---|---|"
    for name, make in (("Flask", flask), ("FastAPI", fastapi)):
        best = measure(make, rounds)
        cells = [name]
        for kind in KINDS:
            whole, search = best[kind] / 1000, best[f"{kind}, search"] / 1000
            cells += [f"{whole:.0f}", f"{search:.1f} ({search / whole:.0%})"]
        yield f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    print("\n".join(lines(int(sys.argv[1]) if len(sys.argv) > 1 else 60)))
