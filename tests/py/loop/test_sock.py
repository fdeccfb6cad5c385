"""sock_recv, sock_recv_into, sock_sendall, sock_accept and sock_connect."""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.loops import new_event_loop, only_ours, run

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two ends of a connection, neither of which blocks."""
    ends = socket.socketpair()
    for end in ends:
        end.setblocking(False)
    yield ends
    for end in ends:
        end.close()


def resolve(came: "asyncio.Future[Any]", sock: socket.socket | None) -> None:
    """With what there is to receive."""
    if not came.done():
        came.set_result(sock.recv(10) if sock else None)


async def waiting(loop: asyncio.AbstractEventLoop, sock: socket.socket, n: int = 100) -> "asyncio.Task[bytes]":
    """A task that has come to wait for something to receive."""
    task = loop.create_task(loop.sock_recv(sock, n))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not task.done()
    return task


def test_what_is_there_is_received_at_once(pair: Pair) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        pair[1].send(b"words")
        assert await loop.sock_recv(pair[0], 3) == b"wor"
        assert await loop.sock_recv(pair[0], 100) == b"ds"

    run(main())


def test_what_comes_later_is_waited_for_again_and_again(pair: Pair) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        for number in range(50):
            task = await waiting(loop, pair[0])
            pair[1].send(b"%d" % number)
            assert await task == b"%d" % number

    run(main())


def test_what_comes_while_nobody_waits_is_not_missed(pair: Pair) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        task = await waiting(loop, pair[0])
        pair[1].send(b"a")
        assert await task == b"a"
        pair[1].send(b"bc")
        await asyncio.sleep(0.01)
        assert await loop.sock_recv(pair[0], 1) == b"b"
        assert await loop.sock_recv(pair[0], 1) == b"c"
        task = await waiting(loop, pair[0])
        pair[1].send(b"d")
        assert await task == b"d"

    run(main())


def test_the_end_comes_after_what_was_sent_before_it(pair: Pair) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        task = await waiting(loop, pair[0])
        pair[1].send(b"last")
        pair[1].close()
        assert await task == b"last"
        for _ in range(3):
            assert await asyncio.wait_for(loop.sock_recv(pair[0], 100), 10) == b""

    run(main())


def test_the_end_wakes_who_waits(pair: Pair) -> None:
    async def main() -> None:
        task = await waiting(asyncio.get_running_loop(), pair[0])
        pair[1].close()
        assert await task == b""

    run(main())


def test_an_error_wakes_who_waits() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
            client.setblocking(False)
            await loop.sock_connect(client, listener.getsockname())
            other, _ = listener.accept()
            task = await waiting(loop, client)
            other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            other.close()
            with pytest.raises(ConnectionResetError):
                await task

    run(main())


def test_much_goes_both_ways_through_small_buffers(pair: Pair) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        much = os.urandom(3_000_000)

        async def gather(sock: socket.socket) -> bytes:
            parts, left = [], len(much)
            while left:
                parts.append(await loop.sock_recv(sock, 1 << 20))
                left -= len(parts[-1])
            return b"".join(parts)

        sending = [loop.sock_sendall(pair[0], much), loop.sock_sendall(pair[1], bytearray(much))]
        *_, one, other = await asyncio.gather(*sending, gather(pair[0]), gather(pair[1]))
        assert one == other == much

    run(main())


def test_a_buffer_is_filled(pair: Pair) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        buffer = bytearray(4)
        task = loop.create_task(loop.sock_recv_into(pair[0], memoryview(buffer)[1:]))
        await asyncio.sleep(0)
        pair[1].send(b"abcde")
        assert await task == 3
        assert buffer == b"\0abc"
        assert await loop.sock_recv_into(pair[0], buffer) == 2
        assert buffer == b"debc"
        buffer.clear()  # it is not held any more

    run(main())


def test_who_is_cancelled_takes_nothing_with_him(pair: Pair) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        task = await waiting(loop, pair[0])
        task.cancel()
        pair[1].send(b"words")
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.wait_for(loop.sock_recv(pair[0], 100), 10) == b"words"

    run(main())


def test_a_time_out_leaves_the_socket_as_it_was(pair: Pair) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        for _ in range(3):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(loop.sock_recv(pair[0], 100), 0.001)
        task = await waiting(loop, pair[0])
        pair[1].send(b"words")
        assert await task == b"words"

    run(main())


@only_ours
def test_nothing_is_kept_of_who_is_cancelled_on_a_closed_socket() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        one, other = socket.socketpair()
        one.setblocking(False)
        task = await waiting(loop, one)
        assert loop in gc.get_referrers(one)
        one.close()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert loop not in gc.get_referrers(one)
        other.close()

    run(main())


def test_a_socket_that_nobody_holds_is_closed() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        one, other = socket.socketpair()
        one.setblocking(False)
        task = await waiting(loop, one)
        other.send(b"x")
        assert await task == b"x"
        number = one.fileno()
        del task
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            del one
            gc.collect()
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(number)
        other.close()

    run(main())


def test_the_number_of_a_closed_socket_is_new_again() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        numbers = set()
        for _ in range(20):
            one, other = socket.socketpair()
            one.setblocking(False)
            numbers.add(one.fileno())
            task = await waiting(loop, one)
            other.send(b"x")
            assert await task == b"x"
            one.close()
            other.close()
        assert len(numbers) < 20

    run(main())


async def used_up(loop: asyncio.AbstractEventLoop) -> int:
    """The number of a socket that was waited for, and is closed."""
    one, other = socket.socketpair()
    with one, other:
        one.setblocking(False)
        task = await waiting(loop, one)
        other.send(b"x")
        assert await task == b"x"
        return one.fileno()


def test_the_number_of_a_closed_socket_can_be_one_with_a_callback() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        number = await used_up(loop)
        one, other = socket.socketpair()
        with one, other:
            assert one.fileno() == number
            came = loop.create_future()
            loop.add_reader(one, came.set_result, None)
            await asyncio.sleep(0.001)
            assert not came.done()
            other.send(b"x")
            await asyncio.wait_for(came, 10)
            assert loop.remove_reader(one)

    run(main())


def test_the_number_of_a_closed_socket_can_be_a_transports() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        number = await used_up(loop)
        one, other = socket.socketpair()
        assert one.fileno() == number
        reader, writer = await asyncio.open_unix_connection(sock=one)
        other.send(b"line\n")
        assert await asyncio.wait_for(reader.readline(), 10) == b"line\n"
        writer.close()
        await writer.wait_closed()
        other.close()

    run(main())


def test_a_socket_that_was_waited_for_becomes_a_transports(pair: Pair) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        task = await waiting(loop, pair[0])
        pair[1].send(b"x")
        assert await task == b"x"
        reader, writer = await asyncio.open_unix_connection(sock=pair[0])
        pair[1].send(b"line\n")
        assert await asyncio.wait_for(reader.readline(), 10) == b"line\n"
        writer.close()
        await writer.wait_closed()

    run(main())


def test_a_callback_beside_who_waits(pair: Pair) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        task = await waiting(loop, pair[0])
        came = loop.create_future()
        loop.add_writer(pair[0], resolve, came, None)
        await asyncio.wait_for(came, 10)
        pair[1].send(b"words")
        assert await asyncio.wait_for(task, 10) == b"words"
        assert loop.remove_writer(pair[0])
        task = await waiting(loop, pair[0])
        pair[1].send(b"more")
        assert await asyncio.wait_for(task, 10) == b"more"

    run(main())


def test_a_callback_and_who_waits_take_turns(pair: Pair) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        for _ in range(3):
            task = await waiting(loop, pair[0])
            pair[1].send(b"a")
            assert await asyncio.wait_for(task, 10) == b"a"
            came: asyncio.Future[bytes] = loop.create_future()
            loop.add_reader(pair[0], resolve, came, pair[0])
            pair[1].send(b"b")
            assert await asyncio.wait_for(came, 10) == b"b"
            assert loop.remove_reader(pair[0])

    run(main())


def test_both_sides_of_a_socket_wait(pair: Pair) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        much = b"x" * 2_000_000
        receiving = await waiting(loop, pair[0])
        sending = loop.create_task(loop.sock_sendall(pair[0], much))
        await asyncio.sleep(0)
        await loop.sock_sendall(pair[1], b"words")
        assert await receiving == b"words"
        left = len(much)
        while left:
            left -= len(await loop.sock_recv(pair[1], 1 << 20))
        await sending

    run(main())


def test_datagrams_come_one_by_one() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
        ):
            one.bind(("127.0.0.1", 0))
            one.setblocking(False)
            other.setblocking(False)
            other.connect(one.getsockname())
            for _ in range(3):
                task = await waiting(loop, one, 60_000)
                for size in (40_000, 10, 20_000):
                    await loop.sock_sendall(other, b"x" * size)
                assert len(await task) == 40_000
                assert len(await asyncio.wait_for(loop.sock_recv(one, 60_000), 10)) == 10
                assert len(await asyncio.wait_for(loop.sock_recv(one, 1 << 20), 10)) == 20_000

    run(main())


def test_connections_are_accepted_as_they_come() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as opened:
            listener.setblocking(False)
            for number in range(3):
                accepting = loop.create_task(loop.sock_accept(listener))
                await asyncio.sleep(0)
                clients = [opened.enter_context(socket.create_connection(listener.getsockname())) for _ in range(3)]
                accepted: list[tuple[socket.socket, Any]] = [await accepting]
                accepted += [await asyncio.wait_for(loop.sock_accept(listener), 10) for _ in clients[1:]]
                for connection, address in accepted:
                    opened.enter_context(connection)
                    assert connection.gettimeout() == 0
                    assert connection.family == socket.AF_INET
                    assert address == connection.getpeername()
                assert {address for _, address in accepted} == {client.getsockname() for client in clients}, number

    run(main())


def test_a_unix_connection_is_accepted(tmp_path: Path) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
            listener.bind(str(tmp_path / "socket"))
            listener.listen()
            listener.setblocking(False)
            accepting = loop.create_task(loop.sock_accept(listener))
            await asyncio.sleep(0)
            client.connect(listener.getsockname())
            connection, address = await accepting
            with connection:
                assert address == ""
                assert connection.getsockname() == listener.getsockname()

    run(main())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_connection_is_made_and_used(host: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server((host, 0), family=family) as listener, socket.socket(family) as client:
            client.setblocking(False)
            await loop.sock_connect(client, (host, listener.getsockname()[1]))
            other, _ = listener.accept()
            with other:
                other.send(b"words")
                assert await asyncio.wait_for(loop.sock_recv(client, 100), 10) == b"words"
                await loop.sock_sendall(client, b"answer")
                assert other.recv(100) == b"answer"

    run(main())


def test_a_unix_socket_is_connected_to(tmp_path: Path) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
            listener.bind(str(tmp_path / "socket"))
            listener.listen()
            client.setblocking(False)
            with pytest.raises(FileNotFoundError):
                await loop.sock_connect(client, str(tmp_path / "none"))
            await loop.sock_connect(client, str(tmp_path / "socket"))
            assert client.getpeername() == str(tmp_path / "socket")

    run(main())


def test_a_refused_connection_says_where_to() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            with socket.socket() as client:
                client.setblocking(False)
                with pytest.raises(ConnectionRefusedError) as caught:
                    await asyncio.wait_for(loop.sock_connect(client, nobody.getsockname()), 10)
                assert caught.value.strerror == f"Connect call failed {nobody.getsockname()}"
            nobody.listen()
            with socket.socket() as client:
                client.setblocking(False)
                await asyncio.wait_for(loop.sock_connect(client, nobody.getsockname()), 10)
                assert client.getpeername() == nobody.getsockname()

    run(main())


@only_ours
def test_a_socket_that_blocks_does_not_block_the_loop() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        one, other = socket.socketpair()
        with one, other:
            task = await waiting(loop, one)
            other.send(b"words")
            assert await task == b"words"

    run(main())


def test_wrong_arguments_are_refused(pair: Pair) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises(ValueError, match="negative buffersize"):
            await loop.sock_recv(pair[0], -1)
        with pytest.raises(TypeError):
            await loop.sock_recv(pair[0], "1")  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            await loop.sock_recv_into(pair[0], b"read only")
        with pytest.raises(TypeError):
            await loop.sock_sendall(pair[0], "text")  # type: ignore[arg-type]
        pair[0].close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            await loop.sock_recv(pair[0], 1)

    run(main())


def test_what_a_transport_owns_is_refused(pair: Pair) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=pair[0])
        with pytest.raises(RuntimeError, match="used by transport"):
            await loop.sock_recv(pair[0], 1)
        transport.close()
        await asyncio.sleep(0)

    run(main())


@only_ours
def test_a_forked_child_waits_for_itself(pair: Pair) -> None:
    loop = new_event_loop()
    task = loop.run_until_complete(waiting(loop, pair[0]))
    closed = loop.run_until_complete(used_up(loop))
    assert closed > 0
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        pair[1].send(b"child")
        os._exit(loop.run_until_complete(task) != b"child")
    assert os.waitpid(child, 0)[1] == 0
    pair[1].send(b"parent")
    assert loop.run_until_complete(task) == b"parent"
    loop.close()
