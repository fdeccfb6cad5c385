"""Listening sockets: from places to sockets that are bound, or were, and errors in one line."""

import errno
import os
import socket
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from velocem import activation, socket_files
from velocem.activation import Passed
from velocem.exceptions import StartError
from velocem.places import Descriptor, Place, Protocol, Systemd, Tcp, Unix, show_host
from velocem.socket_files import SocketFile

# What an application sees of a Unix socket: neither may be empty (PEP 3333), and there is no better answer.
UNIX_NAME, UNIX_PORT = "localhost", 80

# Port 0 picks one for the first address of a name, and another program may have it at the next.
PICKS = 10


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
    url: str
    path: str = ""  # of a Unix socket
    inherited: bool = False  # its queue is whoever's who handed it down
    file: SocketFile | None = None
    protocol: Protocol = "http"

    def speaking(self, protocol: Protocol) -> "Listener":
        """The same, with an address that says so."""
        if protocol == "http":
            return self
        url = self.url.replace("http://", "uwsgi://") if self.path == "" else f"{protocol}+{self.url}"
        return self._replace(protocol=protocol, url=url)


def listen(places: Sequence[Place], *, backlog: int, uds_mode: int = 0o666) -> list[Listener]:
    """A listener for every address of every place."""
    listeners: list[Listener] = []
    try:
        passed = activation.take() if any(isinstance(place, Systemd) for place in places) else []
        found = {place: resolve(place) for place in places if isinstance(place, Tcp)}
        for place in places:
            match place:
                case Tcp():
                    opened = open_tcp(place, found[place], backlog, ipv6_only=has_ipv4(place.port, found))
                    listeners += [listener.speaking(place.protocol) for listener in opened]
                case Unix():
                    listeners.append(open_unix(place, backlog, uds_mode).speaking(place.protocol))
                case Descriptor():
                    listeners.append(inherit(place.number, str(place)).speaking(place.protocol))
                case Systemd():
                    for fd, name in named(place, passed):
                        listener = inherit(fd, f"descriptor {fd} of systemd ({name})")
                        listeners.append(listener.speaking(place.protocol))
    except BaseException:
        close(listeners)
        raise
    return listeners


def default(host: str, port: int) -> Sequence[Place]:
    """Where to listen when nobody has said so: on what systemd has passed, if it has."""
    return [Systemd() if activation.is_for_us() else Tcp(host, port)]


# TCP.


def resolve(place: Tcp) -> list[Address]:
    try:
        found = socket.getaddrinfo(place.host or None, place.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a host name"
        raise StartError(f"cannot listen on {place}: {reason}") from None
    return list(dict.fromkeys(Address(family, str(at[0]), at[2:]) for family, _, _, _, at in found))


def has_ipv4(port: int, found: Mapping[Tcp, list[Address]]) -> bool:
    """Whether an IPv4 address is bound to this port: "::", which takes IPv4 too, would find it in use."""
    return any(place.port == port and any(at.family == socket.AF_INET for at in found[place]) for place in found)


def open_tcp(place: Tcp, addresses: list[Address], backlog: int, *, ipv6_only: bool) -> list[Listener]:
    for pick in range(PICKS):
        try:
            return open_addresses(addresses, place.port, backlog, ipv6_only=ipv6_only)
        except OSError as error:
            if place.port == 0 and error.errno == errno.EADDRINUSE and pick < PICKS - 1:
                continue
            raise StartError(f"cannot listen on {place}: {explain_tcp(error)}") from None
    raise AssertionError


def open_addresses(addresses: list[Address], port: int, backlog: int, *, ipv6_only: bool) -> list[Listener]:
    """One port for all of them."""
    listeners: list[Listener] = []
    missing: OSError | None = None
    try:
        for address in addresses:
            try:
                listeners.append(open_address(address, port, backlog, ipv6_only=ipv6_only))
            except OSError as error:
                # A name such as localhost may have an address that this machine has not.
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                missing = error
            else:
                port = listeners[0].port
        if not listeners and missing is not None:
            raise missing
    except OSError:
        close(listeners)
        raise
    return listeners


def open_address(address: Address, port: int, backlog: int, *, ipv6_only: bool) -> Listener:
    sock = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        prepare_tcp(sock)
        if address.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, ipv6_only)
        sock.bind((address.host, port, *address.rest))
        sock.listen(backlog)
        sock.setblocking(False)
        return describe_tcp(sock)
    except BaseException:
        sock.close()
        raise


def prepare_tcp(sock: socket.socket) -> None:
    # Linux hands it on to accepted sockets: one system call less for each connection.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # A connection is told with its first bytes, or after a second of silence: see docs/decisions/0004.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 1)


def describe_tcp(sock: socket.socket) -> Listener:
    host, port = sock.getsockname()[:2]
    return Listener(sock, show_host(host), port, f"http://{show_host(host)}:{port}")


# Unix sockets.


def open_unix(place: Unix, backlog: int, mode: int) -> Listener:
    try:
        return bind_unix(place, backlog, mode)
    except OSError as error:
        raise StartError(f"cannot listen on {place}: {explain(error)}") from None


def bind_unix(place: Unix, backlog: int, mode: int) -> Listener:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if not place.is_abstract:
            file = socket_files.bind(sock, place.path, mode, backlog)
            return describe_unix(sock)._replace(file=file)
        sock.bind("\0" + place.path[1:])
        sock.listen(backlog)
        return describe_unix(sock)
    except BaseException:
        sock.close()
        raise


def describe_unix(sock: socket.socket) -> Listener:
    path = os.fsencode(sock.getsockname()).decode(errors="replace")
    path = "@" + path[1:] if path.startswith("\0") else path
    return Listener(sock, UNIX_NAME, UNIX_PORT, f"unix:{path}", path)


# Inherited descriptors.


def inherit(fd: int, source: str) -> Listener:
    """The descriptor stays open and its owner's; a copy of it is listened on."""
    try:
        check_socket(fd)
        with socket.socket(fileno=os.dup(fd)) as given:
            check_listens(given)
            os.set_inheritable(fd, False)
            sock = given.dup()
    except (OSError, ValueError) as error:
        raise StartError(f"cannot listen on {source}: {explain(error)}") from None
    sock.setblocking(False)
    if sock.family == socket.AF_UNIX:
        return describe_unix(sock)._replace(inherited=True)
    prepare_tcp(sock)
    return describe_tcp(sock)._replace(inherited=True)


def check_socket(fd: int) -> None:
    if not stat.S_ISSOCK(os.fstat(fd).st_mode):
        raise ValueError("it is no socket")


def check_listens(sock: socket.socket) -> None:
    if sock.family not in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX) or sock.type != socket.SOCK_STREAM:
        raise ValueError("it is no stream socket of IPv4, IPv6 or Unix")
    if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise ValueError("it does not listen")


def named(place: Systemd, passed: list[Passed]) -> list[Passed]:
    chosen = [one for one in passed if place.name in ("", one.name)]
    if not chosen:
        names = ", ".join(one.name for one in passed)
        raise StartError(f"cannot listen on {place}: systemd has passed only: {names}")
    return chosen


# All kinds.


def retiring(listeners: Sequence[Listener]) -> list[int]:
    """The descriptors that nobody else goes on listening on, for Worker.stop()."""
    return [listener.sock.fileno() for listener in listeners if not listener.inherited]


def close(listeners: Sequence[Listener], *, passed_on: bool = False) -> None:
    """passed_on: another process listens on, and the files of Unix sockets are its."""
    for listener in listeners:
        if listener.file is not None and not passed_on:
            with suppress(OSError):
                listener.file.remove()
        listener.sock.close()


def explain_tcp(error: OSError) -> str:
    match error.errno:
        case errno.EACCES:
            return "permission denied (a port below 1024 needs root or CAP_NET_BIND_SERVICE)"
        case errno.EADDRNOTAVAIL:
            return "this machine has no such address"
        case _:
            return explain(error)


def explain(error: OSError | ValueError) -> str:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return "the address is in use"
    return (isinstance(error, OSError) and error.strerror) or str(error)
