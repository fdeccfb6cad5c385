"""Unix sockets in the file system: what is stale gives way, what is alive does not; ours go with their server."""

import errno
import fcntl
import os
import socket
import stat
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import NamedTuple

# Others may lock a folder for reasons of theirs; nobody waits for them longer.
LOCK_SECONDS = 2.0


class SocketFile(NamedTuple):
    """The file of a socket of ours."""

    path: str
    device: int
    inode: int
    pid: int  # who made it: workers have the socket too, and leave the file alone

    def remove(self) -> None:
        """Unless another has taken its place. Before the socket is closed: until then the inode is in use."""
        if os.getpid() != self.pid:
            return
        with locked(self.path):
            found = os.lstat(self.path)
            if (found.st_dev, found.st_ino) == (self.device, self.inode):
                os.unlink(self.path)


def bind(sock: socket.socket, path: str, mode: int, backlog: int) -> SocketFile:
    """Bind and listen. An OSError says what is in the way."""
    full = os.path.abspath(path)
    with locked(full):
        make_way(path)
        sock.bind(path)
        try:
            found = set_mode(path, mode)
            sock.listen(backlog)
        except BaseException:
            os.unlink(path)
            raise
    return SocketFile(full, found.st_dev, found.st_ino, os.getpid())


def set_mode(path: str, mode: int) -> os.stat_result:
    """Before anybody can connect. Not by its name: somebody may have put a link in its place."""
    fd = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(fd)
        if not stat.S_ISSOCK(found.st_mode):
            raise OSError(errno.EEXIST, "the file was replaced while it was made")
        os.chmod(f"/proc/self/fd/{fd}", mode)
    finally:
        os.close(fd)
    return found


def make_way(path: str) -> None:
    """Remove a socket that nobody listens on."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise OSError(errno.EEXIST, "there is a file of that name, which is no socket")
    if is_listened_on(path):
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
    os.unlink(path)


def is_listened_on(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return False
        except PermissionError:
            raise OSError(errno.EACCES, "there is a socket of that name, which this user may not connect to") from None
        except OSError:
            pass  # its queue is full, or it is of another type
    return True


@contextmanager
def locked(path: str) -> Generator[None, None, None]:
    """One server at a time looks at this folder, or a second one could take a socket that is about to listen for stale.

    A lock on the folder itself leaves no file behind. Where it is not to be had, only that safety is missing.
    """
    try:
        fd = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        yield
        return
    try:
        lock(fd)
        yield
    finally:
        os.close(fd)


def lock(fd: int) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return
            time.sleep(0.01)
        except OSError:
            return
        else:
            return
