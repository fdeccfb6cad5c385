"""Each request in a contextvars context of its own, entered again for every next() and close()."""

import contextvars
from collections.abc import Iterator
from typing import Any

from support.client import Client, request
from support.wsgi import Serve

current: contextvars.ContextVar[str] = contextvars.ContextVar("current")


def test_a_request_sees_nothing_of_the_one_before(serve: Serve) -> None:
    seen: list[str | None] = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        seen.append(current.get(None))
        current.set(environ["PATH_INFO"])
        start_response("200 OK", [])
        return [b"body"]

    with Client(serve(app)) as client:
        for path in ("/a", "/b", "/c"):
            client.ask(request("GET", path))
    assert seen == [None, None, None]


def test_also_after_an_error_and_after_a_reset(serve: Serve, caplog: Any) -> None:
    seen: list[str | None] = []
    tokens: list[Any] = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        seen.append(current.get(None))
        token = current.set(environ["PATH_INFO"])
        if environ["PATH_INFO"] == "/error":
            raise ValueError
        if environ["PATH_INFO"] == "/reset":
            current.reset(token)
        if environ["PATH_INFO"] == "/keep":
            tokens.append(token)
            current.reset(token)
        if environ["PATH_INFO"] == "/copy":
            current.reset(token)
            tokens.append(contextvars.copy_context())
        start_response("200 OK", [])
        return [b"body"]

    with Client(serve(app)) as client:
        for path in ("/error", "/reset", "/keep", "/copy", "/error", "/x"):
            client.ask(request("GET", path))
    assert seen == [None] * 6


def test_it_is_kept_through_suspensions_of_two_responses(serve: Serve) -> None:
    seen: dict[str, list[str]] = {"/one": [], "/two": []}
    closed: dict[str, str] = {}

    class Result:
        def __init__(self, path: str) -> None:
            self.path = path

        def __iter__(self) -> Iterator[bytes]:
            for _ in range(100):
                seen[self.path].append(current.get())
                current.set(current.get() + ".")
                yield b"x" * 50_000

        def close(self) -> None:
            closed[self.path] = current.get()

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        if environ["PATH_INFO"] not in seen:
            return [current.get("none").encode()]
        current.set(environ["PATH_INFO"])
        return Result(environ["PATH_INFO"])

    server = serve(app)
    with (
        Client(server, receive_buffer=4096) as one,
        Client(server, receive_buffer=4096) as two,
        Client(server) as other,
    ):
        one.send(request("GET", "/one"))
        two.send(request("GET", "/two"))
        one.fill()
        two.fill()
        assert other.ask(request()).body == b"none"
        assert len(one.read().body) == 5_000_000
        assert other.ask(request()).body == b"none"
        assert len(two.read().body) == 5_000_000
        assert other.ask(request()).body == b"none"
    for path, values in seen.items():
        assert values == [path + "." * i for i in range(100)]
        assert closed[path] == path + "." * 100


def test_close_after_the_client_went_is_in_it_too(serve: Serve) -> None:
    import threading

    closed: list[str] = []
    done = threading.Event()

    class Result:
        def __iter__(self) -> Iterator[bytes]:
            while True:
                yield b"x" * 50_000

        def close(self) -> None:
            closed.append(current.get("none"))
            done.set()

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        current.set("mine")
        start_response("200 OK", [])
        return Result()

    client = Client(serve(app), receive_buffer=4096)
    client.send(request())
    client.fill()
    client.reset()
    assert done.wait(10)
    assert closed == ["mine"]


def test_a_context_that_runs_again_later_is_the_applications_own(serve: Serve) -> None:
    """A copy that was kept does not change with later requests."""
    kept: list[contextvars.Context] = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        current.set(environ["PATH_INFO"])
        kept.append(contextvars.copy_context())
        start_response("200 OK", [])
        return [b"body"]

    with Client(serve(app)) as client:
        for path in ("/a", "/b"):
            client.ask(request("GET", path))
    assert [context[current] for context in kept] == ["/a", "/b"]
