"""Other threads, signals, several loops, forks."""

import asyncio
import os
import signal
import socket
import threading
import time

import pytest

import velocem


def test_another_thread_wakes_a_loop_that_sleeps(loop: velocem.EventLoop) -> None:
    thread = threading.Timer(0.05, loop.call_soon_threadsafe, [loop.stop])
    thread.start()
    loop.run_forever()
    thread.join()


def test_calls_of_threads_are_all_made_in_their_order(loop: velocem.EventLoop) -> None:
    seen: list[tuple[int, int]] = []
    count = 2000
    done = asyncio.Event()

    def note(what: tuple[int, int]) -> None:
        seen.append(what)
        if len(seen) == 4 * count:
            done.set()

    def work(number: int) -> None:
        for i in range(count):
            loop.call_soon_threadsafe(note, (number, i))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()

    async def main() -> None:
        async with asyncio.timeout(60):
            await done.wait()

    loop.run_until_complete(main())
    for thread in threads:
        thread.join()
    for number in range(4):
        assert [i for n, i in seen if n == number] == list(range(count))


def test_threadsafe_and_plain_calls_are_one_queue(loop: velocem.EventLoop) -> None:
    seen: list[int] = []

    def callback() -> None:
        loop.call_soon(seen.append, 1)
        loop.call_soon_threadsafe(seen.append, 2)
        loop.call_soon(seen.append, 3)
        loop.call_soon_threadsafe(seen.append, 4)
        loop.call_soon(loop.stop)

    loop.call_soon_threadsafe(seen.append, 0)
    loop.call_soon(callback)
    loop.run_forever()
    assert seen == [0, 1, 2, 3, 4]


def test_a_cancelled_call_of_a_thread_is_not_made(loop: velocem.EventLoop) -> None:
    loop.call_soon_threadsafe(pytest.fail).cancel()
    loop.call_soon_threadsafe(loop.stop)
    loop.run_forever()


def test_a_signal_between_two_runs_is_not_lost(loop: velocem.EventLoop) -> None:
    seen: list[int] = []
    loop.add_signal_handler(signal.SIGUSR1, seen.append, 1)
    os.kill(os.getpid(), signal.SIGUSR1)
    assert seen == []
    loop.run_until_complete(asyncio.sleep(0.01))
    assert seen == [1]
    assert loop.remove_signal_handler(signal.SIGUSR1)


def test_a_signal_wakes_a_loop_that_sleeps(loop: velocem.EventLoop) -> None:
    loop.add_signal_handler(signal.SIGALRM, loop.stop)
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    loop.run_forever()
    loop.remove_signal_handler(signal.SIGALRM)


def test_a_handler_of_python_may_end_the_run(loop: velocem.EventLoop) -> None:
    def handler(_: object, __: object) -> None:
        raise KeyboardInterrupt

    old = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    signal.signal(signal.SIGALRM, old)
    loop.run_until_complete(asyncio.sleep(0))


def test_loops_of_several_threads_do_not_meet() -> None:
    done: list[int] = []

    async def main(number: int) -> None:
        for _ in range(200):
            await asyncio.sleep(0)
        await asyncio.sleep(0.001 * number)
        done.append(number)

    def work(number: int) -> None:
        with asyncio.Runner(loop_factory=velocem.new_event_loop) as runner:
            runner.run(main(number))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == list(range(8))


def test_a_fork_leaves_the_parents_loop_alone(loop: velocem.EventLoop) -> None:
    a, b = socket.socketpair()
    seen: list[bytes] = []
    loop.add_reader(a, lambda: seen.append(a.recv(10)))
    child = os.fork()
    if child == 0:
        try:
            loop.remove_reader(a)
            loop.close()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    b.send(b"x")
    loop.run_until_complete(asyncio.sleep(0.01))
    assert seen == [b"x"]
    loop.remove_reader(a)
    a.close()
    b.close()


def test_a_forked_child_may_go_on_with_the_loop(loop: velocem.EventLoop) -> None:
    a, b = socket.socketpair()
    loop.add_reader(a, loop.stop)
    child = os.fork()
    if child == 0:
        try:
            threading.Timer(0.01, loop.call_soon_threadsafe, [lambda: b.send(b"x")]).start()
            loop.run_forever()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    loop.remove_reader(a)
    a.close()
    b.close()


def test_other_threads_run_while_the_loop_waits(runner: asyncio.Runner) -> None:
    async def main() -> float:
        began = time.monotonic()
        ran = asyncio.get_running_loop().run_in_executor(None, time.sleep, 0.02)
        await asyncio.sleep(0.02)
        await ran
        return time.monotonic() - began

    assert runner.run(main()) < 5
