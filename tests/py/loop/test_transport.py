"""Stream transports: order of calls, writing, closing, flow control, what get_extra_info tells."""

import asyncio
import contextvars
import gc
import socket
import warnings
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import velocem

Pair = tuple[Any, "Recorder", socket.socket]


class Recorder(asyncio.Protocol):
    """Notes its calls."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.transport: Any = None
        self.lost = asyncio.get_running_loop().create_future()
        self.keep_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.calls.append("made")

    def data_received(self, data: bytes) -> None:
        self.calls.append(data)

    def eof_received(self) -> bool:
        self.calls.append("eof")
        return self.keep_open

    def pause_writing(self) -> None:
        self.calls.append("pause")

    def resume_writing(self) -> None:
        self.calls.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.calls.append("lost")
        if not self.lost.done():
            self.lost.set_result(exc)


class BufferRecorder(asyncio.BufferedProtocol):
    """The same for one that gives the buffer."""

    def __init__(self, size: int = 100) -> None:
        self.calls: list[Any] = []
        self.buffer = bytearray(size)

    def get_buffer(self, sizehint: int) -> bytearray:
        assert sizehint == -1
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.calls.append(bytes(self.buffer[:nbytes]))


@pytest.fixture
def run(runner: asyncio.Runner) -> Callable[[Callable[[Pair], Awaitable[None]]], None]:
    """run(test) runs test((transport, protocol, peer)) with a connection over TCP."""

    async def main(test: Callable[[Pair], Awaitable[None]]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            ours = socket.create_connection(listener.getsockname())
            peer, _ = listener.accept()
        with peer:
            peer.settimeout(30)
            made = await asyncio.get_running_loop().create_connection(Recorder, sock=ours)
            await test((*made, peer))
            if not made[0].is_closing():
                made[0].abort()
            await made[1].lost

    return lambda test: runner.run(main(test))


Run = Callable[[Callable[[Pair], Awaitable[None]]], None]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.001)


def receive(peer: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        data += peer.recv(count - len(data))
    return data


def receive_all(peer: socket.socket) -> bytes:
    data = b""
    while more := peer.recv(1 << 20):
        data += more
    return data


def test_a_connection_from_beginning_to_end(run: Run) -> None:
    async def test(pair: Pair) -> None:
        transport, protocol, peer = pair
        assert protocol.calls == ["made"]
        assert protocol.transport is transport
        peer.send(b"one")
        await until(lambda: len(protocol.calls) == 2)
        peer.shutdown(socket.SHUT_WR)
        assert await protocol.lost is None
        assert protocol.calls == ["made", b"one", "eof", "lost"]
        assert peer.recv(1) == b""

    run(test)


def test_it_is_what_asyncio_calls_a_transport(run: Run) -> None:
    async def test(pair: Pair) -> None:
        transport, protocol, _ = pair
        assert isinstance(transport, asyncio.Transport)
        assert transport.get_protocol() is protocol
        transport.mark = 1  # type: ignore[attr-defined]
        assert transport.__dict__ == {"mark": 1}
        assert weakref.ref(transport)() is transport
        fd = transport.get_extra_info("socket").fileno()
        assert repr(transport) == f"<SocketTransport fd={fd} read=polling write=<idle, bufsize=0>>"
        transport.close()
        await protocol.lost
        await asyncio.sleep(0)
        assert repr(transport) == f"<SocketTransport closed fd={fd}>"

    run(test)


def test_what_one_callback_writes_leaves_in_one_piece(run: Run) -> None:
    async def test(pair: Pair) -> None:
        transport, _, peer = pair
        for data in (b"head", bytearray(b"body"), memoryview(b"more"), b""):
            transport.write(data)
        transport.writelines([b"line", bytearray(b"line")])
        await asyncio.sleep(0)
        assert peer.recv(1000) == b"headbodymorelineline"

    run(test)


def test_many_pieces_keep_their_order(run: Run) -> None:
    async def test(pair: Pair) -> None:
        transport, _, peer = pair
        pieces = [bytes([i % 256]) * (i % 50) for i in range(1000)]
        for piece in pieces:
            transport.write(piece)
        await asyncio.sleep(0)
        assert receive(peer, sum(map(len, pieces))) == b"".join(pieces)

    run(test)


@pytest.mark.parametrize("size", [1, 4096, 100000])
def test_a_buffer_may_change_once_it_is_written(run: Run, size: int) -> None:
    async def test(pair: Pair) -> None:
        transport, _, peer = pair
        buffer = bytearray(b"a" * size)
        transport.write(memoryview(buffer))
        buffer[:] = b"b" * size
        await asyncio.sleep(0)
        assert receive(peer, size) == b"a" * size

    run(test)


def test_a_write_while_the_loop_does_not_run_goes_out_at_once(runner: asyncio.Runner) -> None:
    ours, peer = socket.socketpair()
    with peer:
        transport, _ = runner.run(_connect(ours))
        transport.write(b"now")
        assert peer.recv(10) == b"now"
        transport.abort()
        runner.run(asyncio.sleep(0))


async def _connect(sock: socket.socket, factory: Callable[[], Any] = Recorder) -> tuple[Any, Any]:
    return await asyncio.get_running_loop().create_connection(factory, sock=sock)


@pytest.mark.parametrize("data", ["text", None, 1, [b"x"]])
def test_only_bytes_are_written(run: Run, data: Any) -> None:
    async def test(pair: Pair) -> None:
        with pytest.raises(TypeError, match="data argument must be a bytes-like object, not"):
            pair[0].write(data)

    run(test)


def test_a_slow_reader_pauses_the_writer(run: Run) -> None:
    async def test(pair: Pair) -> None:
        transport, protocol, peer = pair
        assert transport.get_write_buffer_limits() == (16 << 10, 64 << 10)
        total = 0
        while "pause" not in protocol.calls:
            transport.write(b"x" * 50000)
            total += 50000
            await asyncio.sleep(0)
        assert transport.get_write_buffer_size() > 64 << 10
        done = asyncio.get_running_loop().run_in_executor(None, receive, peer, total)
        await until(lambda: "resume" in protocol.calls)
        assert await done == b"x" * total
        assert protocol.calls == ["made", "pause", "resume"]
        assert transport.get_write_buffer_size() == 0

    run(test)


def test_limits_of_the_write_buffer_are_settled_as_in_asyncio(run: Run) -> None:
    async def test(pair: Pair) -> None:
        transport, protocol, peer = pair
        transport.set_write_buffer_limits(high=100)
        assert transport.get_write_buffer_limits() == (25, 100)
        transport.set_write_buffer_limits(low=10)
        assert transport.get_write_buffer_limits() == (10, 40)
        with pytest.raises(ValueError, match=r"high \(1\) must be >= low \(2\) must be >= 0"):
            transport.set_write_buffer_limits(high=1, low=2)
        transport.set_write_buffer_limits(high=0)
        transport.write(b"x" * 100)
        assert receive(peer, 100) == b"x" * 100
        assert "pause" not in protocol.calls
        transport.set_write_buffer_limits()
        assert transport.get_write_buffer_limits() == (16 << 10, 64 << 10)

    run(test)


def test_closing_sends_what_waits(run: Run) -> None:
    async def test(pair: Pair) -> None:
        transport, protocol, peer = pair
        size = 10 << 20
        transport.write(b"x" * size)
        transport.close()
        transport.close()
        assert transport.is_closing()
        assert not protocol.lost.done()
        assert await asyncio.get_running_loop().run_in_executor(None, receive, peer, size) == b"x" * size
        assert await protocol.lost is None
        assert peer.recv(1) == b""

    run(test)


def test_aborting_does_not_wait(run: Run) -> None:
    async def test(pair: Pair) -> None:
        transport, protocol, _ = pair
        transport.write(b"x" * (10 << 20))
        transport.abort()
        assert protocol.calls == ["made", "pause"]
        assert await protocol.lost is None

    run(test)


def test_the_sending_side_ends_when_all_is_sent(run: Run) -> None:
    async def test(pair: Pair) -> None:
        transport, protocol, peer = pair
        size = 5 << 20
        transport.write(b"x" * size)
        assert transport.can_write_eof()
        transport.write_eof()
        transport.write_eof()
        with pytest.raises(RuntimeError, match=r"Cannot call write\(\) after write_eof\(\)"):
            transport.write(b"more")
        with pytest.raises(RuntimeError, match=r"Cannot call writelines\(\) after write_eof\(\)"):
            transport.writelines([b"more"])
        assert await asyncio.get_running_loop().run_in_executor(None, receive_all, peer) == b"x" * size
        peer.send(b"answer")
        await until(lambda: b"answer" in protocol.calls)
        transport.close()
        await protocol.lost

    async def short(pair: Pair) -> None:
        transport, _, peer = pair
        transport.write(b"x")
        transport.write_eof()
        assert peer.recv(10) == b"x"
        assert peer.recv(10) == b""

    run(test)
    run(short)


def test_a_half_closed_connection_goes_on_when_the_protocol_says_so(run: Run) -> None:
    async def test(pair: Pair) -> None:
        transport, protocol, peer = pair
        protocol.keep_open = True
        peer.shutdown(socket.SHUT_WR)
        await until(lambda: "eof" in protocol.calls)
        await asyncio.sleep(0.01)
        assert protocol.calls == ["made", "eof"]
        transport.write(b"still here")
        await asyncio.sleep(0)
        assert peer.recv(100) == b"still here"
        transport.close()
        assert await protocol.lost is None

    run(test)


def test_nothing_is_received_while_reading_is_paused(run: Run) -> None:
    async def test(pair: Pair) -> None:
        transport, protocol, peer = pair
        assert transport.is_reading()
        transport.pause_reading()
        transport.pause_reading()
        assert not transport.is_reading()
        peer.send(b"data")
        await asyncio.sleep(0.01)
        assert protocol.calls == ["made"]
        transport.resume_reading()
        transport.resume_reading()
        await until(lambda: len(protocol.calls) == 2)
        transport.pause_reading()
        transport.resume_reading()
        peer.send(b"more")
        await until(lambda: len(protocol.calls) == 3)
        assert protocol.calls == ["made", b"data", b"more"]
        transport.close()
        transport.pause_reading()
        transport.resume_reading()
        assert not transport.is_reading()

    run(test)


@pytest.mark.parametrize("size", [1, 1000, 15000, 16384, 40000, 100000, 262144, 1000000])
def test_all_sizes_are_received_whole(run: Run, size: int) -> None:
    async def test(pair: Pair) -> None:
        _, protocol, peer = pair
        piece = bytes(range(256)) * (size // 256 + 1)
        loop = asyncio.get_running_loop()
        for _ in range(4):
            await loop.run_in_executor(None, peer.sendall, piece)
        await until(lambda: sum(map(len, protocol.calls[1:])) == 4 * len(piece))
        assert b"".join(protocol.calls[1:]) == piece * 4

    run(test)


def test_the_protocol_may_be_another_from_inside_a_call(run: Run) -> None:
    async def test(pair: Pair) -> None:
        transport, protocol, peer = pair
        buffered = BufferRecorder()

        def switch(data: bytes) -> None:
            protocol.calls.append(data)
            transport.set_protocol(buffered)

        protocol.data_received = switch  # type: ignore[method-assign]
        peer.send(b"to the first")
        await until(lambda: transport.get_protocol() is buffered)
        peer.send(b"to the second")
        await until(lambda: buffered.calls)
        assert protocol.calls == ["made", b"to the first"]
        assert buffered.calls == [b"to the second"]
        transport.set_protocol(protocol)

    run(test)


def test_an_empty_buffer_is_an_error(run: Run) -> None:
    async def test(pair: Pair) -> None:
        transport, protocol, peer = pair
        errors: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
        buffered = BufferRecorder(0)
        buffered.connection_lost = protocol.connection_lost  # type: ignore[method-assign]
        transport.set_protocol(buffered)
        peer.send(b"x")
        assert isinstance(await protocol.lost, RuntimeError)
        assert errors[0]["message"] == "Fatal error: protocol.get_buffer() call failed."
        assert str(errors[0]["exception"]) == "get_buffer() returned an empty buffer"

    run(test)


def test_an_error_of_the_protocol_closes_the_connection(run: Run) -> None:
    async def test(pair: Pair) -> None:
        transport, protocol, peer = pair
        errors: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
        error = ValueError("mine")

        def fail(data: bytes) -> None:
            raise error

        protocol.data_received = fail  # type: ignore[method-assign]
        peer.send(b"x")
        assert await protocol.lost is error
        assert errors == [
            {
                "message": "Fatal error: protocol.data_received() call failed.",
                "exception": error,
                "transport": transport,
                "protocol": protocol,
            }
        ]

    run(test)


@pytest.mark.parametrize("fatal", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_passes_through(fatal: type[BaseException]) -> None:
    loop = velocem.new_event_loop()
    ours, peer = socket.socketpair()
    transport, protocol = loop.run_until_complete(_connect(ours))

    def fail(_: bytes) -> None:
        transport.write(b"last words")
        raise fatal

    protocol.data_received = fail
    peer.send(b"x")
    with pytest.raises(fatal):
        loop.run_forever()
    assert peer.recv(100) == b"last words"
    transport.abort()
    loop.run_until_complete(asyncio.sleep(0))
    peer.close()
    loop.close()


def test_a_lost_connection_is_told_with_its_error(run: Run) -> None:
    async def test(pair: Pair) -> None:
        _, protocol, peer = pair
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        peer.close()
        assert isinstance(await protocol.lost, ConnectionResetError)
        assert protocol.calls == ["made", "lost"]

    run(test)


def test_a_failed_write_is_told_as_loss(run: Run) -> None:
    async def test(pair: Pair) -> None:
        transport, protocol, peer = pair
        transport.pause_reading()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        peer.close()
        for _ in range(100):
            transport.write(b"x" * 100000)
            await asyncio.sleep(0)
        assert isinstance(await protocol.lost, ConnectionError)
        assert protocol.calls[-1] == "lost"

    run(test)


def test_writes_to_a_lost_connection_are_warned_of(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def test(pair: Pair) -> None:
        transport, protocol, _ = pair
        transport.abort()
        for _ in range(4):
            transport.write(b"x")
        assert caplog.records == []
        transport.write(b"x")
        transport.writelines([b"x"])
        await protocol.lost
        transport.write(b"x")
        assert [record.message for record in caplog.records] == ["socket.send() raised exception."] * 3

    run(test)


def test_a_failing_connection_made_is_reported(runner: asyncio.Runner) -> None:
    errors: list[dict[str, Any]] = []

    class Failing(Recorder):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            raise ValueError("made")

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
        ours, peer = socket.socketpair()
        with peer:
            transport, protocol = await _connect(ours, Failing)
            peer.send(b"x")
            await until(lambda: len(protocol.calls) == 2)
            transport.close()
            await protocol.lost

    runner.run(main())
    assert [str(error["exception"]) for error in errors] == ["made"]
    assert errors[0]["message"].startswith("Exception in callback test_a_failing_connection_made_is_reported")


def test_extra_information(run: Run) -> None:
    async def test(pair: Pair) -> None:
        transport, protocol, peer = pair
        assert transport.get_extra_info("peername") == peer.getsockname()
        assert transport.get_extra_info("sockname") == peer.getpeername()
        shown = transport.get_extra_info("socket")
        assert isinstance(shown, asyncio.trsock.TransportSocket)
        assert transport.get_extra_info("socket") is shown
        assert shown.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert transport.get_extra_info("nothing") is None
        assert transport.get_extra_info("nothing", 1) == 1
        assert transport.get_extra_info(1, 2) == 2
        assert set(transport._extra) == {"socket", "sockname", "peername"}
        transport._extra["more"] = 3
        assert transport.get_extra_info(name="more", default=None) == 3
        transport.abort()
        await protocol.lost
        await asyncio.sleep(0)
        assert transport.get_extra_info("peername") == peer.getsockname()
        assert shown.fileno() == -1
        assert transport.get_protocol() is None

    run(test)


def test_names_of_other_families(runner: asyncio.Runner) -> None:
    async def main() -> None:
        ours, peer = socket.socketpair()
        with peer:
            transport, protocol = await _connect(ours)
            assert transport.get_extra_info("peername") == ""
            assert transport.get_extra_info("sockname") == ""
            transport.abort()
            await protocol.lost
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
            ours = socket.create_connection(listener.getsockname()[:2])
            peer, _ = listener.accept()
        with peer:
            transport, protocol = await _connect(ours)
            assert transport.get_extra_info("peername") == peer.getsockname()
            transport.abort()
            await protocol.lost

    runner.run(main())


def test_the_context_of_a_connection_is_that_of_its_making(runner: asyncio.Runner) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    seen: list[str] = []

    class Noting(Recorder):
        def data_received(self, data: bytes) -> None:
            seen.append(variable.get())
            self.transport.close()

        def connection_lost(self, exc: Exception | None) -> None:
            seen.append(variable.get())
            super().connection_lost(exc)

    async def main() -> None:
        ours, peer = socket.socketpair()
        with peer:
            variable.set("of the connection")
            _, protocol = await _connect(ours, Noting)
            variable.set("of the task")
            peer.send(b"x")
            await protocol.lost

    runner.run(main())
    assert seen == ["of the connection", "of the connection"]


def test_a_transport_that_nobody_closed_warns_and_closes() -> None:
    loop = velocem.new_event_loop()
    ours, peer = socket.socketpair()
    transport, _ = loop.run_until_complete(_connect(ours))
    transport.pause_reading()
    loop.run_until_complete(asyncio.sleep(0))
    del ours, _
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del transport
        gc.collect()
    assert any("unclosed transport <SocketTransport fd=" in str(warning.message) for warning in caught)
    assert peer.recv(1) == b""
    peer.close()
    loop.close()


def test_a_loop_that_closes_lets_its_transports_go() -> None:
    loop = velocem.new_event_loop()
    ours, peer = socket.socketpair()
    transport, protocol = loop.run_until_complete(_connect(ours))
    loop.close()
    assert repr(transport).startswith("<SocketTransport fd=")
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        transport.close()
    assert protocol.calls == ["made"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        del transport, protocol, ours
        gc.collect()
    assert peer.recv(1) == b""
    peer.close()


def test_a_descriptor_of_a_transport_is_its_own(run: Run) -> None:
    async def test(pair: Pair) -> None:
        transport, protocol, _ = pair
        loop = asyncio.get_running_loop()
        sock = transport.get_extra_info("socket")
        for call in (
            lambda: loop.add_reader(sock, print),
            lambda: loop.add_writer(sock.fileno(), print),
            lambda: loop.remove_reader(sock),
            lambda: loop.remove_writer(sock),
        ):
            with pytest.raises(RuntimeError, match="is used by transport <SocketTransport"):
                call()
        with pytest.raises(RuntimeError, match="is used by transport"):
            await loop.create_connection(Recorder, sock=transport._sock)
        transport.abort()
        await protocol.lost

    run(test)


def test_a_connection_closed_in_the_round_of_its_event_hears_of_it_no_more(runner: asyncio.Runner) -> None:
    """Both are readable in one round; the first to be told closes the other, whose number is used again at once."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        pairs = [socket.socketpair() for _ in range(2)]
        made = [await _connect(ours) for ours, _ in pairs]
        fresh: list[Any] = []

        def on_data(which: int) -> Callable[[bytes], None]:
            def data_received(data: bytes) -> None:
                made[which][1].calls.append(data)
                other, protocol = made[1 - which]
                protocol.data_received = pytest.fail
                other.abort()

            return data_received

        for which in range(2):
            made[which][1].data_received = on_data(which)
        for _, peer in pairs:
            peer.send(b"x")
        await until(lambda: any(protocol.lost.done() for _, protocol in made))
        fresh.extend(socket.socketpair())
        third = await _connect(fresh[0])
        await loop.run_in_executor(None, lambda: None)
        assert third[1].calls == ["made"]
        for transport, protocol in (*made, third):
            transport.abort()
            await protocol.lost
        for sock in (*fresh, *(peer for _, peer in pairs)):
            sock.close()

    runner.run(main())
