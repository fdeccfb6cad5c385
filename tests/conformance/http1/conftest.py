"""Fixtures of the HTTP/1 conformance tests: one server for a whole table."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Protocol, Unpack

import pytest
from support.echo import Echo

from velocem import Server
from velocem.config import Options
from velocem.types import WSGIApplication


class Serve(Protocol):
    """serve(app, **options) gives a running server."""

    def __call__(self, app: WSGIApplication, **options: Unpack[Options]) -> Server: ...


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Servers that stop when the test ends."""
    with ExitStack() as stack:

        def start(app: WSGIApplication, **options: Unpack[Options]) -> Server:
            return stack.enter_context(Server(app, **options))

        yield start


@pytest.fixture(scope="module")
def echo() -> Echo:
    return Echo()


@pytest.fixture(scope="module")
def server(echo: Echo) -> Iterator[Server]:
    """Serves echo with the default options; at the end of the module nothing that stood behind a refusal was seen."""
    with Server(echo, timeout_keep_alive=30) as server:
        yield server
        assert "/smuggled" not in echo.paths()
