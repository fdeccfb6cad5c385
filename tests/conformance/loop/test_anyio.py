"""anyio on the loop: by its own run, which takes a factory."""

import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from anyio import from_thread, to_thread
from anyio.abc import ByteStream, SocketStream, TaskStatus
from support.loops import check_running, new_event_loop


def run(main: Callable[[], Awaitable[None]]) -> None:
    async def checked() -> None:
        check_running()
        await main()

    anyio.run(checked, backend="asyncio", backend_options={"loop_factory": new_event_loop})


def test_a_group_is_cancelled_by_the_first_error() -> None:
    ended: list[str] = []

    async def sleeper() -> None:
        try:
            await anyio.sleep(60)
        finally:
            ended.append("sleeper")

    async def failing() -> None:
        await anyio.sleep(0.01)
        raise KeyError

    async def main() -> None:
        with pytest.raises(BaseExceptionGroup) as group:  # noqa: PT012
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(sleeper)
                tasks.start_soon(failing)
        assert [type(error) for error in group.value.exceptions] == [KeyError]
        assert ended == ["sleeper"]

    run(main)


def test_scopes_shields_and_deadlines() -> None:
    async def main() -> None:
        with anyio.move_on_after(0.02) as scope:
            await anyio.sleep(60)
        assert scope.cancelled_caught
        with pytest.raises(TimeoutError), anyio.fail_after(0.02):
            await anyio.sleep(60)
        with anyio.CancelScope() as outer:
            outer.cancel()
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.01)
            await anyio.sleep(60)
        assert outer.cancelled_caught

    run(main)


def test_a_task_reports_its_start() -> None:
    async def service(*, task_status: TaskStatus[int]) -> None:
        task_status.started(7)
        await anyio.sleep(60)

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            assert await tasks.start(service) == 7
            tasks.cancel_scope.cancel()

    run(main)


def test_threads_and_back() -> None:
    async def double(number: int) -> int:
        check_running()
        await anyio.lowlevel.checkpoint()
        return 2 * number

    def in_thread(number: int) -> int:
        return from_thread.run(double, number) + from_thread.run_sync(lambda: number)

    async def main() -> None:
        results: dict[int, int] = {}

        async def ask(number: int) -> None:
            results[number] = await to_thread.run_sync(in_thread, number)

        async with anyio.create_task_group() as tasks:
            for number in range(200):
                tasks.start_soon(ask, number)
        assert results == {number: 3 * number for number in range(200)}

    run(main)


async def send_back(stream: ByteStream) -> None:
    async with stream:
        async for data in stream:
            await stream.send(data)


async def echo_through(client: SocketStream) -> None:
    content = os.urandom(5_000_000)
    received = bytearray()

    async def send() -> None:
        await client.send(content)
        await client.send_eof()

    async with client, anyio.create_task_group() as tasks:
        tasks.start_soon(send)
        async for data in client:
            received += data
    assert received == content


def test_tcp_streams() -> None:
    async def main() -> None:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with listener, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, send_back)
            await echo_through(await anyio.connect_tcp("127.0.0.1", port))
            tasks.cancel_scope.cancel()

    run(main)


def test_unix_streams(tmp_path: Path) -> None:
    async def main() -> None:
        listener = await anyio.create_unix_listener(tmp_path / "socket")
        async with listener, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, send_back)
            await echo_through(await anyio.connect_unix(tmp_path / "socket"))
            tasks.cancel_scope.cancel()

    run(main)


def test_datagrams() -> None:
    async def main() -> None:
        async with (
            await anyio.create_udp_socket(local_host="127.0.0.1") as server,
            await anyio.create_connected_udp_socket(
                "127.0.0.1", server.extra(anyio.abc.SocketAttribute.local_port)
            ) as client,
        ):
            for number in range(50):
                await client.send(b"%d" % number)
                data, (host, port) = await server.receive()
                await server.sendto(data * 2, host, port)
                assert await client.receive() == b"%d%d" % (number, number)

    run(main)


def test_a_process() -> None:
    program = "import sys; sys.stdout.write(sys.stdin.read().upper()); sys.exit(3)"

    async def main() -> None:
        result = await anyio.run_process([sys.executable, "-c", program], input=b"words" * 50_000, check=False)
        assert (result.returncode, result.stdout) == (3, b"WORDS" * 50_000)
        async with await anyio.open_process([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
            process.terminate()
            assert await process.wait() == -signal.SIGTERM

    run(main)


def test_signals() -> None:
    async def main() -> None:
        with anyio.open_signal_receiver(signal.SIGUSR1, signal.SIGUSR2) as signals:
            os.kill(os.getpid(), signal.SIGUSR1)
            with anyio.fail_after(20):
                assert await anext(signals) == signal.SIGUSR1
            os.kill(os.getpid(), signal.SIGUSR2)
            with anyio.fail_after(20):
                assert await anext(signals) == signal.SIGUSR2

    run(main)


def test_waiting_for_a_descriptor() -> None:
    async def main() -> None:
        reading, writing = os.pipe()
        try:
            with anyio.move_on_after(0.02) as scope:
                await anyio.wait_readable(reading)
            assert scope.cancelled_caught
            os.write(writing, b"x")
            with anyio.fail_after(20):
                await anyio.wait_readable(reading)
                await anyio.wait_writable(writing)
        finally:
            os.close(reading)
            os.close(writing)

    run(main)


def test_memory_streams() -> None:
    async def main() -> None:
        sending, receiving = anyio.create_memory_object_stream[int](3)

        async def send() -> None:
            async with sending:
                for number in range(1000):
                    await sending.send(number)

        async with receiving, anyio.create_task_group() as tasks:
            tasks.start_soon(send)
            assert [number async for number in receiving] == list(range(1000))

    run(main)
