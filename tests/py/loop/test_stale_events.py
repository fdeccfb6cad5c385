"""Two descriptors are ready in one round, and the callback of the first changes what the second one is."""

import asyncio
import os
import socket
from collections.abc import Callable, Iterator

import pytest
from support.loops import new_event_loop

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = new_event_loop()
    yield loop
    loop.close()


def pair() -> Pair:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    return ours, theirs


def spin(loop: asyncio.AbstractEventLoop) -> None:
    """Some rounds, each of which looks for events."""
    for _ in range(5):
        loop.run_until_complete(asyncio.sleep(0.002))


def at(descriptor: int) -> Pair:
    """A new pair whose first socket has the given number, which is free."""
    ours, theirs = socket.socketpair()
    if ours.fileno() == descriptor:
        found = ours
    elif theirs.fileno() == descriptor:
        found, theirs = theirs, ours
    else:
        os.dup2(ours.fileno(), descriptor, inheritable=False)
        ours.close()
        found = socket.socket(fileno=descriptor)
    found.setblocking(False)
    return found, theirs


@pytest.mark.parametrize("kind", ["reader", "writer"])
def test_a_new_socket_does_not_get_the_event_of_the_old_one(loop: asyncio.AbstractEventLoop, kind: str) -> None:
    pairs = {index: pair() for index in range(2)}
    late: list[str] = []
    new: list[Pair] = []
    add = loop.add_reader if kind == "reader" else loop.add_writer
    remove = loop.remove_reader if kind == "reader" else loop.remove_writer

    def ready(index: int) -> None:
        """Of whichever comes first: the other is closed, and its number given to a socket that nothing is ready on."""
        assert not new
        other, peer = pairs[1 - index]
        descriptor = other.fileno()
        remove(descriptor)
        other.close()
        new.append(at(descriptor))
        peer.close()
        add(descriptor, late.append, "the new owner")
        if kind == "writer":
            remove(descriptor)
            loop.add_reader(descriptor, late.append, "the new owner")
        remove(pairs[index][0])

    for index, (ours, theirs) in pairs.items():
        theirs.send(b"x")
        add(ours, ready, index)
    spin(loop)
    assert len(new) == 1
    assert late == []
    mine, peer = new[0]
    peer.send(b"x")
    spin(loop)
    assert set(late) == {"the new owner"}  # and its own events do come
    loop.remove_reader(mine)
    for each in (*pairs.values(), *new):
        for one in each:
            one.close()


def test_a_reader_removed_in_the_round_of_its_event_is_not_called(loop: asyncio.AbstractEventLoop) -> None:
    pairs = [pair() for _ in range(10)]
    called: list[int] = []

    def ready(index: int) -> None:
        called.append(index)
        for ours, _ in pairs:
            loop.remove_reader(ours)

    for index, (ours, theirs) in enumerate(pairs):
        theirs.send(b"x")
        loop.add_reader(ours, ready, index)
    spin(loop)
    assert len(called) == 1
    for each in pairs:
        for one in each:
            one.close()


def test_a_reader_replaced_in_the_round_of_its_event_is_called_anew(loop: asyncio.AbstractEventLoop) -> None:
    pairs = [pair() for _ in range(2)]
    called: list[str] = []

    def ready(index: int) -> None:
        called.append("old")
        loop.remove_reader(pairs[index][0])
        loop.add_reader(pairs[1 - index][0], again, 1 - index)

    def again(index: int) -> None:
        called.append("new")
        loop.remove_reader(pairs[index][0])

    for index, (ours, theirs) in enumerate(pairs):
        theirs.send(b"x")
        loop.add_reader(ours, ready, index)
    spin(loop)
    assert called == ["old", "new"]
    for each in pairs:
        for one in each:
            one.close()


class Receiver(asyncio.Protocol):
    """Acts on the other connection when its first data come."""

    def __init__(self, act: Callable[["Receiver"], None]) -> None:
        self.act = act
        self.received = 0
        self.lost = 0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        self.act(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost += 1


def two_ready(loop: asyncio.AbstractEventLoop, act: Callable[[asyncio.Transport], object]) -> list[Receiver]:
    """Two connections with data in one round; the first to be called does something to the other."""
    protocols: list[Receiver] = []
    peers: list[socket.socket] = []

    def to_other(first: Receiver) -> None:
        (other,) = (protocol for protocol in protocols if protocol is not first)
        assert other.transport is not None
        act(other.transport)

    async def main() -> None:
        for _ in range(2):
            ours, theirs = pair()
            peers.append(theirs)
            _, protocol = await loop.create_unix_connection(lambda: Receiver(to_other), sock=ours)
            protocols.append(protocol)
        for peer in peers:
            peer.send(b"data")
        await asyncio.sleep(0.05)

    loop.run_until_complete(main())
    for protocol in protocols:
        assert protocol.transport is not None
        protocol.transport.abort()
    spin(loop)
    assert [protocol.lost for protocol in protocols] == [1, 1]
    for peer in peers:
        peer.close()
    return protocols


@pytest.mark.parametrize("method", ["abort", "close", "pause_reading"])
def test_a_connection_stopped_in_the_round_of_its_event_gets_no_data(
    loop: asyncio.AbstractEventLoop, method: str
) -> None:
    protocols = two_ready(loop, lambda other: getattr(other, method)())
    assert sorted(protocol.received for protocol in protocols) == [0, 4]


def test_a_descriptor_is_reused_a_thousand_times(loop: asyncio.AbstractEventLoop) -> None:
    """By connections and by watched sockets in turn, each of which sees its own data only."""

    async def main() -> None:
        for number in range(1000):
            ours, theirs = pair()
            word = b"%d" % number
            theirs.send(word)
            if number % 2:
                came: asyncio.Future[bytes] = loop.create_future()
                loop.add_reader(ours, lambda came=came, ours=ours: came.set_result(ours.recv(100)))  # type: ignore[misc]
                assert await came == word
                loop.remove_reader(ours)
            else:
                reader, writer = await asyncio.open_unix_connection(sock=ours)
                assert await reader.readexactly(len(word)) == word
                writer.close()
                await writer.wait_closed()
            ours.close()
            theirs.close()

    loop.run_until_complete(main())
