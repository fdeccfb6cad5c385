"""The listening sockets of each worker: its own of every address that several can be bound to, and those all share."""

import array
import select
import socket
import struct
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from velocem.logging import logger
from velocem.sockets import Listener

# Of Linux: setsockopt(2), and the few instructions of classic BPF that a choice needs.
SO_ATTACH_REUSEPORT_CBPF = 51
LOAD_RANDOM = (0x20, 0, 0, 0xFFFFF000 + 56)
MODULO = 0x94
IF_EQUAL = 0x15
RETURN = 0x06
RETURN_LOADED = 0x16

Instruction = tuple[int, int, int, int]


class Group:
    """The sockets of one address, in the order in which the kernel numbers them.

    Each has a queue of its own, in which connections wait for its worker and for the one that replaces it.
    """

    def __init__(self, first: socket.socket, backlog: int, others: Sequence[socket.socket] = ()) -> None:
        self.socks = [first, *others]
        self.backlog = backlog

    def grow(self) -> socket.socket:
        """One more, which listens. The first was bound without SO_REUSEPORT, so that an address in use was an error."""
        self.socks[0].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock = twin(self.socks[0])
        try:
            sock.listen(self.backlog)
        except BaseException:
            sock.close()
            raise
        self.socks.append(sock)
        return sock

    def shrink(self) -> None:
        """Close the last one, also where a process that a worker has left behind still has it."""
        sock = self.socks.pop()
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RD)
        sock.close()

    def steer(self, chosen: Sequence[int]) -> None:
        """Let new connections go to these only, with equal chances. What waits in the other queues stays there."""
        if len(self.socks) > 1 and chosen:
            attach(self.socks[0], choice(chosen))

    def close_all_but(self, number: int) -> None:
        for other, sock in enumerate(self.socks):
            if other != number:
                sock.close()


def twin(sock: socket.socket) -> socket.socket:
    """Another one with the same options, bound to the same address."""
    options = [
        (socket.SOL_SOCKET, socket.SO_REUSEADDR),
        (socket.SOL_SOCKET, socket.SO_REUSEPORT),
        (socket.IPPROTO_TCP, socket.TCP_NODELAY),
        (socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT),
    ]
    if sock.family == socket.AF_INET6:
        options.append((socket.IPPROTO_IPV6, socket.IPV6_V6ONLY))
    other = socket.socket(sock.family, sock.type)
    try:
        for level, name in options:
            other.setsockopt(level, name, sock.getsockopt(level, name))
        other.bind(sock.getsockname())
        other.setblocking(False)
    except BaseException:
        other.close()
        raise
    return other


def choice(chosen: Sequence[int]) -> list[Instruction]:
    """A program that returns one of these numbers at random."""
    program: list[Instruction] = [LOAD_RANDOM, (MODULO, 0, 0, len(chosen))]
    if list(chosen) == list(range(len(chosen))):
        return [*program, (RETURN_LOADED, 0, 0, 0)]
    for place, number in enumerate(chosen):
        program += [(IF_EQUAL, 0, 1, place), (RETURN, 0, 0, number)]
    return [*program, (RETURN, 0, 0, chosen[0])]


def attach(sock: socket.socket, program: Sequence[Instruction]) -> None:
    code = array.array("B", b"".join(struct.pack("=HBBI", *instruction) for instruction in program))
    address, _ = code.buffer_info()
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, struct.pack("@HP", len(program), address))


class Portion(NamedTuple):
    """What one worker listens on."""

    own: list[Listener]
    shared: list[Listener]


class Shares:
    """Who listens on what. Workers are numbered from 0, and only the last one can go."""

    def __init__(
        self,
        listeners: Sequence[Listener],
        backlog: int,
        *,
        shared: bool,
        twins: Mapping[int, Sequence[socket.socket]] | None = None,
    ) -> None:
        """twins: sockets of further workers that there are already, by the place of their listener."""
        self.listeners = listeners
        twins = twins or {}
        self.groups = {
            place: Group(listener.sock, backlog, twins.get(place, ()))
            for place, listener in enumerate(listeners)
            if (not shared or place in twins) and can_multiply(listener)
        }
        self.count = 1 + max(map(len, twins.values()), default=0)
        self.chosen: list[int] = []

    def twins(self) -> dict[int, list[socket.socket]]:
        """As they are to be given to a successor of this process."""
        return {place: group.socks[1:] for place, group in self.groups.items()}

    def grow(self) -> int:
        """Sockets for one more worker. Returns its number. They get no connections before steer() names it."""
        grown: list[Group] = []
        try:
            for group in self.groups.values():
                group.grow()
                grown.append(group)
        except OSError:
            for group in grown:
                group.shrink()
            raise
        self.apply()
        self.count += 1
        return self.count - 1

    def shrink(self) -> None:
        """Close the sockets of the last worker, and with them what waits in their queues."""
        self.count -= 1
        for group in self.groups.values():
            group.shrink()

    def of(self, number: int) -> Portion:
        """What this worker listens on."""
        own = [self.listeners[place]._replace(sock=group.socks[number]) for place, group in self.groups.items()]
        return Portion(own, [listener for place, listener in enumerate(self.listeners) if place not in self.groups])

    def is_waited_for(self, number: int) -> bool:
        """Whether connections wait in a queue that is this worker's alone."""
        poll = select.poll()
        for listener in self.of(number).own:
            poll.register(listener.sock, select.POLLIN)
        return bool(poll.poll(0))

    def close_all_but(self, number: int) -> None:
        """In the process of this worker: a socket that another one has ends with that one."""
        for group in self.groups.values():
            group.close_all_but(number)

    def close(self) -> None:
        """All but those of the listeners, which are the caller's. Whoever else has them listens on."""
        for group in self.groups.values():
            group.close_all_but(0)

    def steer(self, numbers: Collection[int]) -> None:
        """New connections go to these workers, if there are any; where all share a socket, each takes what it can."""
        chosen = sorted(numbers)
        if chosen != self.chosen:
            self.chosen = chosen
            self.apply()

    def apply(self) -> None:
        for group in self.groups.values():
            try:
                group.steer(self.chosen)
            except OSError as error:  # the kernel then chooses among all of them
                logger.debug("new connections cannot be steered: %s", error.strerror)


def can_multiply(listener: Listener) -> bool:
    """A Unix socket has one queue; whoever handed one down goes on listening on that one."""
    return listener.sock.family in (socket.AF_INET, socket.AF_INET6) and not listener.inherited
