"""Fixtures of the WSGI conformance tests."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Unpack

import pytest
from support.wsgi import Application, Serve

from velocem import Server
from velocem.config import Options


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Servers that stop when the test ends."""
    with ExitStack() as stack:

        def start(app: Application, **options: Unpack[Options]) -> Server:
            return stack.enter_context(Server(app, **options))

        yield start
