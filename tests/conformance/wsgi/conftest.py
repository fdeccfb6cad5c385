"""Fixtures of the WSGI conformance tests."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Unpack

import pytest
from support.wsgi import DEFAULTS, Application, Serve

from velocem import Server
from velocem.config import Options


@pytest.fixture(params=[0, 4], ids=["loop", "threads"], autouse=True)
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Every test runs with the application on the loop, and in threads."""
    number: int = request.param
    monkeypatch.setitem(DEFAULTS, "threads", number)
    return number


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Servers that stop when the test ends."""
    with ExitStack() as stack:

        def start(app: Application, **options: Unpack[Options]) -> Server:
            return stack.enter_context(Server(app, **DEFAULTS | options))

        yield start
