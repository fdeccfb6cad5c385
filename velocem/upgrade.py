"""Taking over from a server that runs: its listening sockets come along, and it goes when its successor serves."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from velocem.exceptions import StartError
from velocem.server import VARIABLE
from velocem.socket_files import SocketFile
from velocem.sockets import Listener

READY = b"!"


class Bequest(NamedTuple):
    """What is passed on: descriptors that listen, and a link that ends with either process."""

    places: str  # as they were configured
    listeners: list[Listener]
    twins: dict[int, list[socket.socket]]  # by the place of their listener: the sockets of all but the first worker
    admin: list[Listener]
    link: socket.socket

    def ready(self) -> None:
        """The successor serves."""
        with suppress(OSError):  # the old server has gone before its time
            self.link.send(READY)


class Successor:
    """The process that is to take over, as its predecessor sees it."""

    def __init__(self, process: "subprocess.Popen[bytes]", link: socket.socket) -> None:
        self.process = process
        self.link = link

    def fileno(self) -> int:
        """Readable when it serves, or has failed."""
        return self.link.fileno()

    def serves(self) -> bool:
        with suppress(OSError):
            return self.link.recv(1) == READY
        return False

    def has_failed(self) -> bool:
        return self.process.poll() is not None

    def let_go(self) -> None:
        """It lives on, and is not waited for."""
        self.link.detach()
        self.process.returncode = 0  # or its end is complained of as missed

    def close(self) -> None:
        """In a child of the predecessor's."""
        self.link.close()


class Predecessor:
    """The process that is taken over from, as its successor sees it: nothing comes from it but its end."""

    def __init__(self, link: socket.socket) -> None:
        self.link = link

    def fileno(self) -> int:
        """Readable when it has ended."""
        return self.link.fileno()

    def has_ended(self) -> bool:
        try:
            return not self.link.recv(1)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        """Also in a child of the successor's."""
        self.link.close()


def start(
    places: str,
    listeners: Sequence[Listener],
    twins: Mapping[int, Sequence[socket.socket]],
    admin: Sequence[Listener],
    folder: str,
) -> Successor:
    """Run the command that has started this process once more, whatever it leads to by now. OSError."""
    ours, theirs = socket.socketpair()
    with theirs:
        text = {
            "places": places,
            "listeners": [describe(listener) for listener in listeners],
            "twins": {str(place): [sock.fileno() for sock in socks] for place, socks in twins.items()},
            "admin": [describe(listener) for listener in admin],
            "link": theirs.fileno(),
        }
        fds = [listener.sock.fileno() for listener in (*listeners, *admin)]
        fds += [sock.fileno() for socks in twins.values() for sock in socks]
        ours.setblocking(False)
        try:
            process = subprocess.Popen(  # noqa: S603 - it is our own command
                command(),
                cwd=folder,
                env=os.environ | {VARIABLE: json.dumps(text)},
                pass_fds=(*fds, theirs.fileno()),
            )
        except OSError:
            ours.close()
            raise
    return Successor(process, ours)


def command() -> list[str]:
    """As it was typed; an interpreter that was found by PATH is looked for again."""
    program = sys.orig_argv[0]
    return [program if "/" in program else shutil.which(program) or sys.executable, *sys.orig_argv[1:]]


def here() -> str:
    """The folder as the user names it: a symbolic link may lead to another release by the next time."""
    named = os.environ.get("PWD", "")
    with suppress(OSError):
        if os.path.samefile(named, "."):
            return named
    return os.getcwd()


def describe(listener: Listener) -> list[Any]:
    file = list(listener.file[:3]) if listener.file else None
    return [listener.sock.fileno(), *listener[1:6], file, listener.protocol]


def take() -> Bequest | None:
    """What this process inherits, once; programs that it starts do not hear of it."""
    text = os.environ.pop(VARIABLE, "")
    if not text:
        return None
    try:
        given = json.loads(text)
        listeners, admin = map(read, given["listeners"]), map(read, given["admin"])
        twins = {int(place): [adopt(fd) for fd in fds] for place, fds in given["twins"].items()}
        return Bequest(str(given["places"]), list(listeners), twins, list(admin), adopt(given["link"]))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StartError(f"what the old server has passed on cannot be used: {error}") from None


def read(given: list[Any]) -> Listener:
    fd, name, port, url, path, inherited, file, protocol = given
    ours = SocketFile(str(file[0]), int(file[1]), int(file[2]), os.getpid()) if file else None
    return Listener(adopt(fd), name, port, url, path, inherited, ours, protocol)


def adopt(fd: int) -> socket.socket:
    os.set_inheritable(fd, False)
    sock = socket.socket(fileno=fd)
    sock.setblocking(False)
    return sock
