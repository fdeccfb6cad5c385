"""Signals: while the loop sleeps, between two runs, and those that end a run."""

import asyncio
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from support.loops import new_event_loop


@pytest.fixture(autouse=True)
def interrupts() -> Iterator[None]:
    """A run that was started in the background has SIGINT ignored, and Python then leaves it so."""
    old = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, old)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = new_event_loop()
    yield loop
    loop.close()


def soon(number: signal.Signals) -> threading.Timer:
    """A thread that sends the main thread a signal in a moment."""
    main = threading.main_thread().ident
    assert main is not None
    timer = threading.Timer(0.05, signal.pthread_kill, (main, number))
    timer.start()
    return timer


def test_a_signal_between_two_runs_is_handled_in_the_next(loop: asyncio.AbstractEventLoop) -> None:
    handled: list[int] = []

    def handle() -> None:
        handled.append(1)
        loop.stop()

    loop.add_signal_handler(signal.SIGUSR1, handle)
    os.kill(os.getpid(), signal.SIGUSR1)
    assert handled == []
    loop.run_forever()
    os.kill(os.getpid(), signal.SIGUSR1)
    loop.run_forever()
    assert handled == [1, 1]


def test_a_signal_before_the_first_run(loop: asyncio.AbstractEventLoop) -> None:
    loop.add_signal_handler(signal.SIGUSR2, loop.stop)
    os.kill(os.getpid(), signal.SIGUSR2)
    loop.run_forever()


def test_a_signal_from_another_thread_wakes_a_sleeping_loop(loop: asyncio.AbstractEventLoop) -> None:
    loop.add_signal_handler(signal.SIGUSR1, loop.stop)
    timer = soon(signal.SIGUSR1)
    loop.run_forever()
    timer.join()


def test_many_signals_while_busy(loop: asyncio.AbstractEventLoop) -> None:
    """Several of one kind may be one; the last is never lost."""
    handled: list[int] = []
    loop.add_signal_handler(signal.SIGUSR1, handled.append, 1)
    loop.add_signal_handler(signal.SIGUSR2, loop.stop)

    async def send() -> None:
        for _ in range(200):
            os.kill(os.getpid(), signal.SIGUSR1)
            await asyncio.sleep(0)
        os.kill(os.getpid(), signal.SIGUSR2)

    task = loop.create_task(send())
    loop.run_forever()
    assert task.done()
    assert len(handled) == 200


def test_a_handler_of_the_signal_module_runs_while_the_loop_sleeps(loop: asyncio.AbstractEventLoop) -> None:
    """The loop has no handler of its own, so nothing but the interrupted call tells it."""
    before = signal.signal(signal.SIGALRM, lambda *_: loop.call_soon_threadsafe(loop.stop))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        loop.run_forever()
    finally:
        signal.signal(signal.SIGALRM, before)


def test_an_exception_of_a_signal_handler_leaves_the_run(loop: asyncio.AbstractEventLoop) -> None:
    def handler(*_: object) -> None:
        raise ZeroDivisionError

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(ZeroDivisionError):
            loop.run_forever()
    finally:
        signal.signal(signal.SIGALRM, before)
    loop.call_soon(loop.stop)
    loop.run_forever()


def test_an_interrupt_leaves_the_run_and_the_loop_runs_again(loop: asyncio.AbstractEventLoop) -> None:
    timer = soon(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    timer.join()
    assert not loop.is_running()
    assert loop.run_until_complete(asyncio.sleep(0, "fine")) == "fine"


def test_an_interrupt_in_a_busy_loop(loop: asyncio.AbstractEventLoop) -> None:
    """It never sleeps, so that only the interpreter sees the signal."""

    def again() -> None:
        loop.call_soon(again)

    again()
    timer = soon(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    timer.join()


def test_the_runner_cancels_the_main_task_on_an_interrupt() -> None:
    seen: list[type[BaseException]] = []

    async def main() -> None:
        asyncio.get_running_loop().call_later(0.05, signal.raise_signal, signal.SIGINT)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError as error:
            seen.append(type(error))
            raise

    with pytest.raises(KeyboardInterrupt), asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main())
    assert seen == [asyncio.CancelledError]


def test_a_removed_handler_gives_the_signal_back(loop: asyncio.AbstractEventLoop) -> None:
    loop.add_signal_handler(signal.SIGINT, loop.stop)
    assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    assert loop.remove_signal_handler(signal.SIGINT)
    assert not loop.remove_signal_handler(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_close_gives_signals_and_the_wake_up_descriptor_back() -> None:
    loop = new_event_loop()
    loop.add_signal_handler(signal.SIGUSR1, loop.stop)
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
    assert signal.set_wakeup_fd(-1) == -1


def test_only_the_main_thread_has_signals() -> None:
    errors: list[BaseException] = []

    def other() -> None:
        loop = new_event_loop()
        try:
            loop.add_signal_handler(signal.SIGUSR1, loop.stop)
        except (RuntimeError, ValueError) as error:
            errors.append(error)
        loop.close()

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert len(errors) == 1


def test_a_handler_that_fails_goes_to_the_exception_handler(loop: asyncio.AbstractEventLoop) -> None:
    reported: list[object] = []

    def handle(_: object, about: dict[str, Any]) -> None:
        reported.append(about["exception"])
        loop.stop()

    loop.set_exception_handler(handle)
    loop.add_signal_handler(signal.SIGUSR1, lambda: 1 // 0)
    os.kill(os.getpid(), signal.SIGUSR1)
    loop.run_forever()
    assert [type(error) for error in reported] == [ZeroDivisionError]


def test_system_exit_of_a_callback_leaves_the_run(loop: asyncio.AbstractEventLoop) -> None:
    after: list[int] = []
    loop.call_soon(sys.exit, 7)
    loop.call_soon(after.append, 1)
    with pytest.raises(SystemExit):
        loop.run_forever()
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert after == [1]


def test_a_signal_that_came_when_no_python_ran_is_handled_before_the_loop_sleeps(
    loop: asyncio.AbstractEventLoop,
) -> None:
    """As when its byte in the wake-up pipe was read by a turn that did not wait: nothing would end the next wait."""
    told: list[str] = []

    def on_signal(*_: object) -> None:
        told.append("signal")
        loop.stop()

    def give_up() -> None:
        told.append("nobody looked")
        loop.stop()

    old = signal.signal(signal.SIGUSR1, on_signal)
    old_fd = signal.set_wakeup_fd(-1)
    try:
        kill = ctypes.CDLL(None).kill  # Python's own looks for signals itself
        loop.call_soon(kill, os.getpid(), int(signal.SIGUSR1))
        timer = loop.call_later(10, give_up)
        loop.run_forever()
        timer.cancel()
    finally:
        signal.set_wakeup_fd(old_fd)
        signal.signal(signal.SIGUSR1, old)
    assert told == ["signal"]
