"""Fixtures of all Python tests."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Protocol, Unpack

import pytest

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
