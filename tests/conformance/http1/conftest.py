"""Fixtures of the HTTP/1 conformance tests: one server for a whole table, and each table once for each interface."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Protocol, Unpack

import pytest
from support.echo import Echo
from support.twin import twin

from velocem import Server
from velocem.config import Options
from velocem.types import Application, WSGIApplication

Adapt = Callable[[WSGIApplication], Application]


class Serve(Protocol):
    """serve(app, **options) gives a running server."""

    def __call__(self, app: WSGIApplication, **options: Unpack[Options]) -> Server: ...


@pytest.fixture(scope="module", params=["wsgi", "asgi"])
def adapt(request: pytest.FixtureRequest) -> Adapt:
    """adapt(app) is the application as this interface has it."""
    return twin if request.param == "asgi" else lambda app: app


@pytest.fixture
def serve(adapt: Adapt) -> Iterator[Serve]:
    """Servers that stop when the test ends."""
    with ExitStack() as stack:

        def start(app: WSGIApplication, **options: Unpack[Options]) -> Server:
            return stack.enter_context(Server(adapt(app), **options))

        yield start


@pytest.fixture(scope="module")
def echo(adapt: Adapt) -> Echo:
    return Echo()


@pytest.fixture(scope="module")
def server(adapt: Adapt, echo: Echo) -> Iterator[Server]:
    """Serves echo with the default options; at the end of the module nothing that stood behind a refusal was seen."""
    with Server(adapt(echo), timeout_keep_alive=30) as server:
        yield server
        assert "/smuggled" not in echo.paths()
