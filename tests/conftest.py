"""Options in the caller's environment are not the tests', and what a test does to the log ends with it."""

import logging
import os
from collections.abc import Iterator

import pytest

for name in [name for name in os.environ if name.startswith(("VELOCEM_", "WEB_CONC"))]:
    del os.environ[name]


@pytest.fixture(autouse=True)
def log() -> Iterator[None]:
    """A server that is run in this process may make the log its own: caplog would hear nothing any more."""
    logger = logging.getLogger("velocem")
    level, propagate, handlers = logger.level, logger.propagate, logger.handlers[:]
    yield
    logger.setLevel(level)
    logger.propagate = propagate
    logger.handlers[:] = handlers
