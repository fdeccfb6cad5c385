"""The logger of the server, its plain output when the program has not set up its own, and the files of logs."""

import logging
import os
import sys
from contextlib import suppress

from velocem.exceptions import StartError

logger = logging.getLogger("velocem")

LEVELS = {
    "critical": logging.CRITICAL,
    "error": logging.ERROR,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}


class Formatter(logging.Formatter):
    """``INFO:     message``: the level in a column, as users of other servers read it."""

    def __init__(self) -> None:
        super().__init__("%(levelcolumn)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        record.levelcolumn = f"{record.levelname}:".ljust(9)
        return super().format(record)


# Descriptors by path. A path is opened once, so that each process has one place to write to.
files: dict[str, int] = {}


def open_file(path: str) -> int:
    """A descriptor that appends to the file."""
    if path not in files:
        try:
            files[path] = append_to(path)
        except OSError as error:
            raise StartError(f"cannot write to {path}: {error.strerror}") from None
    return files[path]


def append_to(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)


def reopen_files() -> None:
    """Write to what is at their paths now: somebody has moved the files away. The descriptors stay the same."""
    for path, fd in files.items():
        with suppress(OSError):  # the old file is better than none
            new = append_to(path)
            os.dup2(new, fd, inheritable=False)
            os.close(new)


def configure(level: str, path: str = "-") -> None:
    """Set the level; write to standard error, or the file, unless the program has handlers of its own."""
    logger.setLevel(LEVELS[level])
    if logger.hasHandlers():
        return
    stream = sys.stderr if path == "-" else open(open_file(path), "a", encoding="utf-8", closefd=False)  # noqa: SIM115
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Formatter())
    logger.addHandler(handler)
    logger.propagate = False


def report(level: int, message: str, error: BaseException | None) -> None:
    """Log what the C core has to say."""
    # Ctrl-C in the middle of a call of the application: not an error of its own.
    if isinstance(error, KeyboardInterrupt):
        return
    logger.log(level, message, exc_info=error)
