"""What a transport does when its protocol's methods fail, and the order in which it calls them."""

import asyncio
import contextlib
import gc
import os
import socket
import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.loops import new_event_loop, only_ours

METHODS = ("connection_made", "data_received", "eof_received", "pause_writing", "resume_writing", "connection_lost")


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = new_event_loop()
    yield loop
    loop.close()


class Failing(asyncio.Protocol):
    """Notes every call, and raises in one method."""

    def __init__(self, method: str, error: Callable[[], BaseException] = ZeroDivisionError) -> None:
        self.method = method
        self.error = error
        self.calls: list[str] = []
        self.lost_with: list[BaseException | None] = []
        self.received = b""
        self.transport: Any = None

    def note(self, name: str) -> None:
        self.calls.append(name)
        if name == self.method:
            raise self.error()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.note("connection_made")

    def data_received(self, data: bytes) -> None:
        self.received += data
        self.note("data_received")

    def eof_received(self) -> bool:
        self.note("eof_received")
        return True

    def pause_writing(self) -> None:
        self.note("pause_writing")

    def resume_writing(self) -> None:
        self.note("resume_writing")

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost_with.append(exc)
        self.note("connection_lost")


class Watched:
    """A loop whose exception handler keeps what it is told."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.reported: list[dict[str, Any]] = []
        loop.set_exception_handler(lambda _, about: self.reported.append(about))

    def connect(self, protocol: asyncio.BaseProtocol) -> tuple[Any, socket.socket]:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            made = self.loop.create_unix_connection(lambda: protocol, sock=ours)
            return self.loop.run_until_complete(made)[0], theirs
        except BaseException:
            theirs.close()
            raise

    def spin(self) -> None:
        for _ in range(4):
            self.loop.run_until_complete(asyncio.sleep(0.002))

    def errors(self) -> list[type]:
        return [type(about.get("exception")) for about in self.reported]


def everything_happens(watched: Watched, protocol: Failing) -> None:
    """Each method is called, unless the transport ends before."""
    transport, theirs = watched.connect(protocol)
    with theirs:
        use(watched, protocol, transport, theirs)


def use(watched: Watched, protocol: Failing, transport: Any, theirs: socket.socket) -> None:
    transport.set_write_buffer_limits(high=0)
    theirs.send(b"words")
    watched.spin()
    blocks = 0
    while "pause_writing" not in protocol.calls and not transport.is_closing():
        transport.write(bytes(1 << 16))
        blocks += 1
        watched.spin()
        assert blocks < 1000
    theirs.setblocking(False)
    for _ in range(1000):
        try:
            if not theirs.recv(1 << 20):
                break
        except BlockingIOError:
            if transport.is_closing() or "resume_writing" in protocol.calls:
                break
        watched.spin()
    theirs.shutdown(socket.SHUT_WR)
    watched.spin()
    transport.close()
    watched.spin()
    assert transport.is_closing()


def test_the_order_without_errors(loop: asyncio.AbstractEventLoop) -> None:
    watched = Watched(loop)
    protocol = Failing("none")
    everything_happens(watched, protocol)
    assert tuple(protocol.calls) == (
        "connection_made",
        "data_received",
        "pause_writing",
        "resume_writing",
        "eof_received",
        "connection_lost",
    )
    assert protocol.lost_with == [None]
    assert watched.reported == []


@pytest.mark.parametrize("method", METHODS)
def test_an_error_is_reported_once_and_the_connection_ends_once(loop: asyncio.AbstractEventLoop, method: str) -> None:
    watched = Watched(loop)
    gc.collect()  # what other tests have left open is not to go meanwhile
    before = len(os.listdir("/proc/self/fd"))
    protocol = Failing(method)
    everything_happens(watched, protocol)
    assert watched.errors() == [ZeroDivisionError], watched.reported
    assert protocol.calls.count("connection_lost") == 1
    fatal = method in {"data_received", "eof_received"}
    assert [type(error) for error in protocol.lost_with] == [ZeroDivisionError if fatal else type(None)]
    about = watched.reported[0]
    if method not in {"connection_made", "connection_lost"}:
        assert method in about["message"]
        assert about["protocol"] is protocol
        assert about["transport"] is protocol.transport
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("method", ["connection_made", "data_received", "eof_received", "connection_lost"])
def test_what_ends_a_program_leaves_the_run(
    loop: asyncio.AbstractEventLoop, method: str, error: Callable[[], BaseException]
) -> None:
    watched = Watched(loop)
    protocol = Failing(method, error)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        everything_happens(watched, protocol)
    assert watched.reported == []
    protocol.method = "none"
    if not protocol.lost_with:
        protocol.transport.abort()
    watched.spin()
    assert protocol.calls.count("connection_lost") == 1
    assert asyncio.all_tasks(loop) == set()  # who waited for the connection has it


class Buffered(asyncio.BufferedProtocol):
    """Hands out a buffer, and does what a test wants at each call."""

    def __init__(self, size: int = 100, method: str = "") -> None:
        self.buffer = bytearray(size)
        self.method = method
        self.received = b""
        self.hints: list[int] = []
        self.lost_with: list[BaseException | None] = []

    def get_buffer(self, sizehint: int) -> bytearray:
        self.hints.append(sizehint)
        if self.method == "get_buffer":
            raise ZeroDivisionError
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self.method == "buffer_updated":
            raise ZeroDivisionError
        self.received += self.buffer[:nbytes]

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost_with.append(exc)


def test_a_buffered_protocol_gets_all(loop: asyncio.AbstractEventLoop) -> None:
    watched = Watched(loop)
    protocol = Buffered(7)
    transport, theirs = watched.connect(protocol)
    content = os.urandom(1000)
    theirs.send(content)
    for _ in range(200):
        loop.run_until_complete(asyncio.sleep(0))
    assert protocol.received == content
    assert set(protocol.hints) == {-1}
    theirs.close()
    watched.spin()
    assert protocol.lost_with == [None]
    assert transport.is_closing()


@pytest.mark.parametrize("method", ["get_buffer", "buffer_updated"])
def test_an_error_of_a_buffered_protocol_ends_its_connection(loop: asyncio.AbstractEventLoop, method: str) -> None:
    watched = Watched(loop)
    protocol = Buffered(method=method)
    _, theirs = watched.connect(protocol)
    theirs.send(b"words")
    watched.spin()
    assert watched.errors() == [ZeroDivisionError]
    assert method in watched.reported[0]["message"]
    assert [type(error) for error in protocol.lost_with] == [ZeroDivisionError]
    theirs.close()


def test_an_empty_buffer_is_an_error(loop: asyncio.AbstractEventLoop) -> None:
    watched = Watched(loop)
    protocol = Buffered(0)
    _, theirs = watched.connect(protocol)
    theirs.send(b"words")
    watched.spin()
    assert watched.errors() == [RuntimeError]
    assert [type(error) for error in protocol.lost_with] == [RuntimeError]
    theirs.close()


def test_a_protocol_is_replaced_while_it_is_called(loop: asyncio.AbstractEventLoop) -> None:
    """As an upgrade to WebSocket or TLS does; also from a plain one to a buffered one and back."""
    watched = Watched(loop)
    second = Buffered()
    third = Failing("none")

    class First(asyncio.Protocol):
        received = b""

        def data_received(self, data: bytes) -> None:
            First.received += data
            transport.set_protocol(second)

    transport, theirs = watched.connect(First())
    for word in (b"one", b"two", b"three"):
        theirs.send(word)
        watched.spin()
        if word == b"two":
            transport.set_protocol(third)
    assert (First.received, second.received, third.received) == (b"one", b"two", b"three")
    assert transport.get_protocol() is third
    transport.close()
    watched.spin()
    assert third.lost_with == [None]
    assert second.lost_with == []
    theirs.close()


def test_a_connection_closed_in_connection_made_reads_nothing(loop: asyncio.AbstractEventLoop) -> None:
    watched = Watched(loop)

    class Closing(Failing):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self.transport.write(b"bye")
            self.transport.close()

    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.send(b"words")
    protocol = Closing("none")
    loop.run_until_complete(loop.create_unix_connection(lambda: protocol, sock=ours))
    watched.spin()
    assert protocol.calls == ["connection_made", "connection_lost"]
    assert theirs.recv(100) == b"bye"
    with contextlib.suppress(ConnectionResetError):  # what it did not read is told to the peer
        assert theirs.recv(100) == b""
    theirs.close()


def test_connection_lost_comes_in_a_later_round(loop: asyncio.AbstractEventLoop) -> None:
    """Never from within close or abort."""
    watched = Watched(loop)
    for method in ("close", "abort"):
        protocol = Failing("none")
        transport, theirs = watched.connect(protocol)
        getattr(transport, method)()
        assert "connection_lost" not in protocol.calls
        getattr(transport, method)()
        watched.spin()
        assert protocol.calls.count("connection_lost") == 1
        theirs.close()


def test_half_closed_by_the_peer_it_still_writes(loop: asyncio.AbstractEventLoop) -> None:
    watched = Watched(loop)
    protocol = Failing("none")
    transport, theirs = watched.connect(protocol)
    theirs.shutdown(socket.SHUT_WR)
    watched.spin()
    assert protocol.calls == ["connection_made", "eof_received"]
    transport.write(b"after")
    watched.spin()
    assert theirs.recv(100) == b"after"
    transport.close()
    watched.spin()
    theirs.close()


def test_a_reset_is_told_to_connection_lost_only(loop: asyncio.AbstractEventLoop) -> None:
    watched = Watched(loop)
    protocol = Failing("none")

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            transport, _ = await loop.create_connection(lambda: protocol, *listener.getsockname()[:2])
            theirs, _ = listener.accept()
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            theirs.close()
            while not protocol.lost_with:
                await asyncio.sleep(0.002)
            assert transport.is_closing()

    loop.run_until_complete(main())
    assert [type(error) for error in protocol.lost_with] == [ConnectionResetError]
    assert watched.reported == []


@only_ours
def test_a_lost_connection_is_freed(loop: asyncio.AbstractEventLoop) -> None:
    """Without the collector of cycles, when the protocol lets go of its transport."""
    watched = Watched(loop)
    gc.collect()
    gc.disable()
    try:
        protocol = Failing("none")
        transport, theirs = watched.connect(protocol)
        transport.write(b"x")
        gone = weakref.ref(transport)
        transport.close()
        watched.spin()
        protocol.transport = None
        del transport
        assert gone() is None
    finally:
        gc.enable()
    theirs.close()


def test_an_abandoned_transport_is_warned_of_and_closed(loop: asyncio.AbstractEventLoop) -> None:
    watched = Watched(loop)
    transport, theirs = watched.connect(asyncio.Protocol())
    transport.pause_reading()
    watched.spin()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del transport
        gc.collect()
    assert "unclosed transport" in [" ".join(str(each.message).split()[:2]) for each in caught]
    assert theirs.recv(100) == b""
    theirs.close()


def test_the_context_of_a_protocol_is_that_of_its_making(loop: asyncio.AbstractEventLoop) -> None:
    """Of the call that made the connection, in every method."""
    from contextvars import ContextVar

    variable: ContextVar[str] = ContextVar("variable", default="none")
    seen: list[tuple[str, str]] = []

    class Noting(Failing):
        def note(self, name: str) -> None:
            seen.append((name, variable.get()))

    watched = Watched(loop)

    async def main() -> None:
        variable.set("mine")
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        transport, _ = await loop.create_unix_connection(lambda: Noting("none"), sock=ours)
        theirs.send(b"words")
        await asyncio.sleep(0.005)
        theirs.close()
        await asyncio.sleep(0.005)
        transport.close()

    loop.run_until_complete(main())
    watched.spin()
    assert seen == [(name, "mine") for name in ("connection_made", "data_received", "eof_received", "connection_lost")]
