"""Listening sockets: from a host and a port to sockets that are bound, and errors in one line."""

import errno
import os
import socket
from typing import NamedTuple

from velocem.exceptions import StartError


class Address(NamedTuple):
    """Where one socket is to be bound, as getaddrinfo() gives it."""

    family: int
    host: str
    rest: tuple[int, ...]  # flow label and scope, of IPv6


class Listener(NamedTuple):
    """A socket that listens, with what applications see of it."""

    sock: socket.socket
    name: str  # SERVER_NAME: an IPv6 address in brackets (RFC 3875 4.1.14)
    port: int

    @property
    def url(self) -> str:
        return f"http://{self.name}:{self.port}"


def listen(host: str, port: int, backlog: int) -> list[Listener]:
    """A listener for every address that host has. Port 0 picks one port for all of them."""
    addresses = resolve(host, port)
    listeners: list[Listener] = []
    missing: OSError | None = None
    try:
        for address in addresses:
            try:
                listeners.append(open_listener(address, port, backlog, alone=len(addresses) == 1))
            except OSError as error:
                # A name such as localhost may have an address that this machine has not.
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                missing = error
            else:
                port = listeners[0].port
        if not listeners and missing is not None:
            raise missing
    except OSError as error:
        close(listeners)
        raise StartError(f"cannot listen on {show(host)}:{port}: {explain(error)}") from None
    return listeners


def resolve(host: str, port: int) -> list[Address]:
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a host name"
        raise StartError(f"cannot listen on {show(host)}:{port}: {reason}") from None
    return list(dict.fromkeys(Address(family, str(at[0]), at[2:]) for family, _, _, _, at in found))


def open_listener(address: Address, port: int, backlog: int, *, alone: bool) -> Listener:
    sock = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Linux hands it on to accepted sockets: one system call less for each connection.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A connection is told with its first bytes, or after a second of silence: see docs/decisions/0004.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 1)
        if address.family == socket.AF_INET6:
            # "::" alone takes IPv4 too; beside "0.0.0.0" it would find the port taken.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not alone)
        sock.bind((address.host, port, *address.rest))
        sock.listen(backlog)
        sock.setblocking(False)
        name = sock.getsockname()
    except BaseException:
        sock.close()
        raise
    return Listener(sock, show(name[0]), name[1])


def retiring(listeners: list[Listener]) -> list[int]:
    """The descriptors that nobody else goes on listening on, for Worker.stop()."""
    return [listener.sock.fileno() for listener in listeners]


def close(listeners: list[Listener]) -> None:
    for listener in listeners:
        listener.sock.close()


def show(host: str) -> str:
    return f"[{host}]" if ":" in host else host or "*"


def explain(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "the address is in use"
        case errno.EACCES:
            return "permission denied (a port below 1024 needs root or CAP_NET_BIND_SERVICE)"
        case errno.EADDRNOTAVAIL:
            return "this machine has no such address"
        case code:
            return os.strerror(code) if code else str(error)
