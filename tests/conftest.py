"""What the caller has set is not the tests': options, signals; and what others have done to the log is not a test's."""

import logging
import os
import signal
import sys
from collections.abc import Iterator

import pytest

for name in [name for name in os.environ if name.startswith(("VELOCEM_", "WEB_CONC"))]:
    del os.environ[name]

# Applications are written again within a second and in the same size: then a .pyc passes for new.
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
sys.dont_write_bytecode = True

# A shell starts what it puts into the background with Ctrl-C ignored, and that is inherited.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


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
