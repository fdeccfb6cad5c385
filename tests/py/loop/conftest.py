"""Fixtures of the event loop's tests."""

import asyncio
from collections.abc import Iterator

import pytest

import velocem


@pytest.fixture
def loop() -> Iterator[velocem.EventLoop]:
    """A loop that does not run yet."""
    loop = velocem.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """runner.run(main()) on a loop of ours, the same for each call."""
    with asyncio.Runner(loop_factory=velocem.new_event_loop) as runner:
        yield runner
