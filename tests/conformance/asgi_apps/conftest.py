"""What the tests of real ASGI applications share: where the applications are, and waiting for what comes later."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from velocem import Server

ROOT = Path(__file__).resolve().parents[3]

sys.path.insert(0, str(ROOT / "tests" / "data"))
# At the end: an import string is looked for in the present folder first, whose velocem has no extension.
sys.path.append(str(ROOT))

Browse = Callable[[Server], httpx.Client]


@pytest.fixture
def browse() -> Iterator[Browse]:
    """browse(server) gives an httpx client with cookies, that follows no redirect by itself."""
    with ExitStack() as stack:
        yield lambda server: stack.enter_context(httpx.Client(base_url=server.url, trust_env=False, timeout=30))


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """until(condition) waits for it, and fails after ten seconds."""

    def wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, "it never came to be"
            time.sleep(0.005)

    return wait
