"""Fixtures of the tests of --threads."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Unpack

import pytest
from support.wsgi import Application, Serve

from velocem import Server
from velocem.config import Options


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Servers with four threads, unless a test wants another number, that stop when the test ends."""
    with ExitStack() as stack:

        def start(app: Application, **options: Unpack[Options]) -> Server:
            options.setdefault("threads", 4)
            return stack.enter_context(Server(app, **options))

        yield start
