"""What the WSGI conformance tests share: asking once, looking at an environ, results that are watched."""

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, Unpack

from support.client import Client, Response, request
from velocem import Server
from velocem.config import Options
from velocem.types import StartResponse, WSGIApplication, WSGIEnvironment

# What servers of the tests are given unless a test says otherwise.
DEFAULTS: Options = {}

Application = Callable[[dict[str, Any], Any], Any]  # also those that break the rules


class Serve(Protocol):
    """serve(app, **options) gives a running server."""

    def __call__(self, app: Application, **options: Unpack[Options]) -> Server: ...


def hello(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


def ask(
    app: WSGIApplication | Application, data: bytes = b"", *, head: bool = False, **options: Unpack[Options]
) -> Response:
    """One request, GET / unless given, to a server of its own."""
    with Server(app, **DEFAULTS | options) as server, Client(server) as client:
        return client.ask(data or request(), head=head or data.startswith(b"HEAD "))


class Recorder:
    """An application that keeps every environ it gets, and answers with its path."""

    def __init__(self) -> None:
        self.environs: list[dict[str, Any]] = []

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        self.environs.append(environ)
        start_response("200 OK", [])
        return [environ["PATH_INFO"].encode("latin-1")]


def environ_of(data: bytes, **options: Unpack[Options]) -> dict[str, Any]:
    recorder = Recorder()
    assert ask(recorder, data, **options).status == 200
    return recorder.environs[0]


class Watched:
    """An iterable that counts what is done to it. at_end is called in place of the end, for one that raises."""

    def __init__(self, *blocks: Any, at_end: Callable[[], Any] | None = None) -> None:
        self.blocks = iter(blocks)
        self.at_end = at_end
        self.taken = 0
        self.closed = 0
        self.was_closed = threading.Event()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        for block in self.blocks:
            self.taken += 1
            return block
        if self.at_end is not None:
            self.at_end()
        raise StopIteration

    def close(self) -> None:
        self.closed += 1
        self.was_closed.set()


def returns(result: Any, *headers: tuple[str, str], status: str = "200 OK") -> Application:
    """An application that always returns this; a callable makes it anew."""

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response(status, list(headers))
        return result() if callable(result) else result

    return app
