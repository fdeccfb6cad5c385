"""The file that tells the number of the supervisor's process, and that there is only one."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from velocem.exceptions import StartError


@contextmanager
def held(path: str) -> Generator[None, None, None]:
    """The file, while the with block runs; StartError when a process holds it already. An empty path is no file.

    A lock says whether the writer lives: the kernel takes it back however that process ended, and a number that is left
    behind may long be another program's. It is of the kind that forked children do not have.
    """
    if not path:
        yield
        return
    fd = take(path)
    try:
        yield
    finally:
        with suppress(OSError):
            Path(path).unlink()
        os.close(fd)


def take(path: str) -> int:
    while True:
        fd = open_locked(path)
        # The one that held it before may have removed it in between: then this is a file without a name.
        if is_there(path, fd):
            break
        os.close(fd)
    os.ftruncate(fd, 0)
    os.write(fd, b"%d\n" % os.getpid())
    return fd


def open_locked(path: str) -> int:
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StartError(f"cannot write the pid file {path}: {error.strerror}") from None
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        number = os.read(fd, 32).decode("ascii", "replace").strip()
        os.close(fd)
        raise StartError(f"the pid file {path} belongs to a process that runs ({number})") from None
    return fd


def is_there(path: str, fd: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(fd))
    except FileNotFoundError:
        return False
