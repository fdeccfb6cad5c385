"""Options in the caller's environment are not the tests', and what others have done to the log is not a test's."""

import logging
import os

import pytest

for name in [name for name in os.environ if name.startswith(("VELOCEM_", "WEB_CONC"))]:
    del os.environ[name]


@pytest.fixture(autouse=True)
def log() -> None:
    """A server that was run in this process, by a test or by a module's fixture, may have made the log its own: caplog
    would hear nothing."""
    logger = logging.getLogger("velocem")
    logger.setLevel(logging.NOTSET)
    logger.propagate = True
    logger.handlers.clear()
