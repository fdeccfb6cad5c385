"""Options in the caller's environment are not the tests', and what others have done to the log is not a test's."""

import logging
import os
from collections.abc import Iterator

import pytest

for name in [name for name in os.environ if name.startswith(("VELOCEM_", "WEB_CONC"))]:
    del os.environ[name]


@pytest.fixture(autouse=True, scope="module")
def clean_log() -> None:
    """What a module's own fixtures have made of the log, by a server in this process, ends with the module."""
    logger = logging.getLogger("velocem")
    logger.setLevel(logging.NOTSET)
    logger.propagate = True
    logger.handlers.clear()


@pytest.fixture(autouse=True)
def log() -> Iterator[None]:
    """A server that is run in this process may make the log its own: caplog would hear nothing any more."""
    logger = logging.getLogger("velocem")
    level, propagate, handlers = logger.level, logger.propagate, logger.handlers[:]
    yield
    logger.setLevel(level)
    logger.propagate = propagate
    logger.handlers[:] = handlers
