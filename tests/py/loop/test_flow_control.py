"""Writing to a peer that does not read: limits, pauses, order, and what a buffer is at the moment it is written."""

import asyncio
import hashlib
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from support.loops import new_event_loop, run


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = new_event_loop()
    yield loop
    loop.close()


class Noting(asyncio.Protocol):
    """Keeps the pauses."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.sizes: list[int] = []
        self.transport: Any = None
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def pause_writing(self) -> None:
        self.calls.append("pause")
        self.sizes.append(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        self.calls.append("resume")
        self.sizes.append(self.transport.get_write_buffer_size())

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True


class Connection:
    """A transport and the socket of its peer, which reads only when told."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        ours, self.theirs = socket.socketpair()
        ours.setblocking(False)
        self.theirs.setblocking(False)
        self.protocol = Noting()
        made = loop.create_unix_connection(lambda: self.protocol, sock=ours)
        self.transport: Any = loop.run_until_complete(made)[0]

    def fill(self) -> None:
        """Until the kernel takes no more."""
        while not self.transport.get_write_buffer_size():
            self.transport.write(bytes(1 << 14))
            self.spin()

    def spin(self) -> None:
        for _ in range(3):
            self.loop.run_until_complete(asyncio.sleep(0.001))

    def read(self) -> bytes:
        """All that comes until nothing does."""
        received = bytearray()
        quiet = 0
        while quiet < 3:
            try:
                data = self.theirs.recv(1 << 16)
                if not data:
                    break
                received += data
                quiet = 0
            except BlockingIOError:
                quiet += 1
            self.spin()
        return bytes(received)

    def end(self) -> None:
        if not self.protocol.lost:
            self.transport.abort()
        self.spin()
        self.theirs.close()
        assert self.protocol.lost


@pytest.fixture
def connection(loop: asyncio.AbstractEventLoop) -> Iterator[Connection]:
    connection = Connection(loop)
    yield connection
    connection.end()


def test_the_limits(connection: Connection) -> None:
    transport = connection.transport
    assert transport.get_write_buffer_limits() == (16384, 65536)
    transport.set_write_buffer_limits(high=100)
    assert transport.get_write_buffer_limits() == (25, 100)
    transport.set_write_buffer_limits(low=10)
    assert transport.get_write_buffer_limits() == (10, 40)
    transport.set_write_buffer_limits(high=0)
    assert transport.get_write_buffer_limits() == (0, 0)
    with pytest.raises(ValueError, match="must be"):
        transport.set_write_buffer_limits(high=5, low=6)
    with pytest.raises(ValueError, match="must be"):
        transport.set_write_buffer_limits(high=5, low=-1)


def test_it_pauses_above_high_and_resumes_at_or_below_low(connection: Connection) -> None:
    connection.transport.set_write_buffer_limits(high=1000, low=100)
    connection.fill()
    connection.protocol.calls.clear()
    connection.protocol.sizes.clear()
    rest = connection.transport.get_write_buffer_size()
    if rest <= 1000:
        connection.transport.write(bytes(1000 - rest))
        assert connection.protocol.calls == []  # at high, not above
        connection.transport.write(b"x")
        assert connection.protocol.calls == ["pause"]
        assert connection.protocol.sizes == [1001]
    connection.transport.write(bytes(5000))
    assert connection.protocol.calls.count("pause") <= 1  # not again
    connection.read()
    assert connection.protocol.calls[-1] == "resume"
    assert connection.protocol.sizes[-1] <= 100
    assert connection.transport.get_write_buffer_size() == 0


def test_without_room_at_all_each_write_pauses(connection: Connection) -> None:
    connection.transport.set_write_buffer_limits(high=0)
    connection.fill()
    assert connection.protocol.calls == ["pause"]
    connection.read()
    assert connection.protocol.calls == ["pause", "resume"]
    assert connection.protocol.sizes[-1] == 0


def test_what_was_written_does_not_change_afterwards(connection: Connection) -> None:
    connection.fill()
    before = len(connection.read())
    connection.fill()
    changing = bytearray(b"before " * 1000)
    view = memoryview(bytearray(b"viewed " * 1000))
    connection.transport.write(changing)
    connection.transport.write(view)
    connection.transport.writelines([bytearray(b"line "), b"bytes ", memoryview(changing)[:7]])
    expected = bytes(changing) + bytes(view) + b"line bytes before "
    changing[:] = b"after. " * 1000
    view[:] = b"after. " * 1000
    assert before > 0
    assert connection.read().endswith(expected)


def test_a_buffer_that_was_written_may_grow_again(connection: Connection) -> None:
    """Nothing exports it any longer: what was not sent is a copy."""
    connection.fill()
    changing = bytearray(b"x" * 1000)
    connection.transport.write(changing)
    connection.transport.writelines([changing, changing])
    changing.extend(b"more")
    assert len(changing) == 1004


def test_views_of_other_shapes_are_written_whole(connection: Connection) -> None:
    import array

    numbers = array.array("I", range(1000))
    connection.transport.write(memoryview(numbers))
    connection.transport.write(memoryview(bytes(range(100)))[::-1].tobytes())
    connection.transport.write(memoryview(bytes(range(100)))[10:20])
    assert connection.read() == numbers.tobytes() + bytes(range(100))[::-1] + bytes(range(10, 20))


@pytest.mark.parametrize("wrong", ["text", 7, None, [b"list"]])
def test_what_is_no_buffer_is_refused(connection: Connection, wrong: Any) -> None:
    with pytest.raises(TypeError):
        connection.transport.write(wrong)
    connection.transport.write(b"right")
    assert connection.read() == b"right"


def test_a_write_while_the_loop_does_not_run_goes_out_at_once(connection: Connection) -> None:
    connection.transport.write(b"at once")
    connection.theirs.setblocking(True)
    connection.theirs.settimeout(20)
    assert connection.theirs.recv(100) == b"at once"
    connection.theirs.setblocking(False)


def test_writes_of_one_callback_keep_their_order(connection: Connection) -> None:
    pieces = [os.urandom(size % 997) for size in range(3000)]

    def write() -> None:
        for index, piece in enumerate(pieces):
            if index % 3:
                connection.transport.write(piece)
            else:
                connection.transport.writelines([piece[:5], piece[5:]])

    connection.loop.call_soon(write)
    connection.spin()
    assert connection.read() == b"".join(pieces)


def test_the_end_of_writing_comes_after_all_that_was_written(connection: Connection) -> None:
    content = os.urandom(2_000_000)
    connection.transport.write(content)
    connection.transport.write_eof()
    connection.transport.write_eof()
    with pytest.raises(RuntimeError):
        connection.transport.write(b"too late")
    assert connection.read() == content
    connection.theirs.setblocking(True)
    assert connection.theirs.recv(1) == b""
    connection.theirs.setblocking(False)


def test_close_sends_what_is_left_and_abort_does_not(loop: asyncio.AbstractEventLoop) -> None:
    content = os.urandom(2_000_000)
    closing, aborting = Connection(loop), Connection(loop)
    for each in (closing, aborting):
        each.transport.write(content)
    closing.transport.close()
    aborting.transport.abort()
    assert closing.transport.get_write_buffer_size() > 0
    assert aborting.transport.get_write_buffer_size() == 0
    closing.spin()
    assert not closing.protocol.lost
    assert closing.read() == content
    assert len(aborting.read()) < len(content)
    for each in (closing, aborting):
        each.end()


def test_reading_is_paused_and_resumed(loop: asyncio.AbstractEventLoop) -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        received: list[bytes] = []

        class Reading(asyncio.Protocol):
            def data_received(self, data: bytes) -> None:
                received.append(data)

        transport, _ = await loop.create_unix_connection(Reading, sock=ours)
        assert transport.is_reading()
        transport.pause_reading()
        transport.pause_reading()
        assert not transport.is_reading()
        theirs.send(b"held back")
        await asyncio.sleep(0.01)
        assert received == []
        transport.resume_reading()
        transport.resume_reading()
        await asyncio.sleep(0.01)
        assert received == [b"held back"]
        for _ in range(100):  # in one round: nothing changes
            transport.pause_reading()
            transport.resume_reading()
        theirs.send(b"!")
        await asyncio.sleep(0.01)
        assert received == [b"held back", b"!"]
        transport.close()
        transport.pause_reading()  # no error after the end
        await asyncio.sleep(0.01)
        theirs.close()

    loop.run_until_complete(main())


def test_a_hundred_megabytes_to_a_slow_reader_and_memory_stays_small() -> None:
    block = os.urandom(1 << 20)
    blocks = 100
    largest = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal largest
        assert await reader.read(1) == b"?"
        for _ in range(blocks):
            writer.write(block)
            largest = max(largest, writer.transport.get_write_buffer_size())
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
            writer.write(b"?")
            digest = hashlib.sha256()
            while data := await reader.read(1 << 16):
                digest.update(data)
                await asyncio.sleep(0)
            writer.close()
            await writer.wait_closed()
        assert digest.digest() == hashlib.sha256(block * blocks).digest()
        assert largest <= len(block) + (1 << 16)

    run(main())
