"""What the tests of real applications share: where the applications are, and clients of each kind."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path

import httpx
import pytest
from support.deployed import Deployed

from velocem import Server

ROOT = Path(__file__).resolve().parents[3]

sys.path.insert(0, str(ROOT / "tests" / "data"))
# At the end, so that an installed velocem comes before the sources here, which have no extension.
sys.path.append(str(ROOT))

Running = Server | Deployed
Open = Callable[[Running], httpx.Client]
Connect = Callable[[Running], HTTPConnection]


@pytest.fixture
def browse() -> Iterator[Open]:
    """browse(server) gives an httpx client with cookies, that follows no redirect by itself."""
    with contextlib.ExitStack() as stack:
        yield lambda server: stack.enter_context(httpx.Client(base_url=server.url, trust_env=False, timeout=30))


@pytest.fixture
def connect() -> Iterator[Connect]:
    """connect(server) gives an http.client connection."""
    with contextlib.ExitStack() as stack:

        def connection(server: Running) -> HTTPConnection:
            return stack.enter_context(contextlib.closing(HTTPConnection("127.0.0.1", server.port, timeout=30)))

        yield connection
