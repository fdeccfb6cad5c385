"""A fork while a loop is open or running: the child has nothing of it, and the parent loses nothing."""

import asyncio
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable

from support.loops import new_event_loop, only_ours, run


def in_child(act: Callable[[], bool]) -> bool:
    """What act says in a forked child."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads
        pid = os.fork()
    if pid == 0:
        signal.alarm(30)
        try:
            os._exit(0 if act() else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(pid, 0)
    return status == 0


def no_loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return True
    return False


def a_new_loop_works() -> bool:
    loop = new_event_loop()
    thread = threading.Timer(0.02, loop.call_soon_threadsafe, (loop.stop,))
    thread.start()
    loop.run_forever()
    thread.join()
    loop.close()
    return True


def test_the_child_of_a_running_loop_runs_no_loop() -> None:
    async def main() -> None:
        assert in_child(no_loop_runs)

    run(main())


def test_the_child_of_a_running_loop_can_run_one_of_its_own() -> None:
    async def main() -> None:
        assert in_child(a_new_loop_works)

    run(main())


async def echoes(number: int) -> None:
    """A server and a client on the loop still do what they should, and threads can still wake it."""
    loop = asyncio.get_running_loop()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        for _ in range(number):
            writer.write(b"words")
            assert await asyncio.wait_for(reader.readexactly(5), 20) == b"words"
        writer.close()
        await writer.wait_closed()
    woken = loop.create_future()
    thread = threading.Timer(0.02, loop.call_soon_threadsafe, (woken.set_result, 1))
    thread.start()
    assert await asyncio.wait_for(woken, 20) == 1
    thread.join()


def test_the_parent_goes_on_with_what_it_had() -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            loop = asyncio.get_running_loop()
            came: asyncio.Future[bytes] = loop.create_future()
            ours.setblocking(False)
            loop.add_reader(ours, lambda: came.set_result(ours.recv(100)))
            assert in_child(a_new_loop_works)
            theirs.send(b"after the fork")
            assert await asyncio.wait_for(came, 20) == b"after the fork"
            loop.remove_reader(ours)
            await echoes(10)

    run(main())


@only_ours
def test_a_child_that_closes_the_open_loop_takes_nothing_from_the_parent() -> None:
    """The descriptor of epoll is shared with the child: what it takes out is out for the parent too."""
    loop = new_event_loop()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    came: asyncio.Future[bytes] = loop.create_future()
    loop.add_reader(ours, lambda: came.set_result(ours.recv(100)))
    loop.run_until_complete(asyncio.sleep(0))

    def close() -> bool:
        loop.remove_reader(ours)
        loop.close()
        return loop.is_closed()

    assert in_child(close)
    theirs.send(b"still here")
    assert loop.run_until_complete(asyncio.wait_for(came, 20)) == b"still here"
    loop.remove_reader(ours)
    loop.run_until_complete(echoes(1))
    loop.close()
    ours.close()
    theirs.close()


def test_a_child_started_by_subprocess_has_none_of_the_descriptors() -> None:
    before = pollers()
    loop = new_event_loop()
    ours = set(os.listdir("/proc/self/fd"))
    program = "import os; print(*os.listdir('/proc/self/fd'))"
    theirs = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, close_fds=False
    )
    loop.close()
    assert pollers() == before
    assert len(theirs.stdout.split()) <= 4 + len([fd for fd in ours if int(fd) > 2 and inherited(int(fd))])


def pollers() -> int:
    """Pollers of this process: other tests may have left some."""
    links = (f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd"))
    return sum("eventpoll" in os.readlink(link) for link in links if os.path.lexists(link))


def inherited(fd: int) -> bool:
    try:
        return os.get_inheritable(fd)
    except OSError:
        return False


def test_multiprocessing_by_fork_from_a_running_loop() -> None:
    async def main() -> None:
        context = multiprocessing.get_context("fork")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            process = context.Process(target=a_new_loop_works)
            process.start()
        await asyncio.get_running_loop().run_in_executor(None, process.join)
        assert process.exitcode == 0
        process.close()
        await echoes(1)

    run(main())
