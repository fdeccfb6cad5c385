"""Debug mode: what it refuses, what it tells, and that it costs nothing of what a loop does otherwise."""

import asyncio
import logging
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.loops import NAME, new_event_loop, run


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = new_event_loop()
    loop.set_debug(True)
    yield loop
    loop.close()


def test_a_slow_callback_is_logged(loop: asyncio.AbstractEventLoop, caplog: pytest.LogCaptureFixture) -> None:
    loop.slow_callback_duration = 0.02

    def quick() -> None:
        pass

    def dawdle() -> None:
        time.sleep(0.03)

    async def slow_task() -> None:
        time.sleep(0.03)  # noqa: ASYNC251

    with caplog.at_level(logging.WARNING, "asyncio"):
        loop.call_soon(quick)
        loop.call_soon(dawdle)
        loop.run_until_complete(slow_task())
    told = [record.getMessage() for record in caplog.records if "took" in record.getMessage()]
    assert any("dawdle" in line for line in told)
    assert any("slow_task" in line for line in told)
    assert not any("quick" in line for line in told)


@pytest.mark.parametrize("method", ["call_soon", "call_later", "call_at"])
def test_another_thread_is_refused(loop: asyncio.AbstractEventLoop, method: str) -> None:
    errors: list[BaseException] = []

    def other() -> None:
        try:
            arguments: tuple[Any, ...] = (int,) if method == "call_soon" else (0, int)
            getattr(loop, method)(*arguments)
        except RuntimeError as error:
            errors.append(error)

    async def main() -> None:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()

    loop.run_until_complete(main())
    assert [str(error) for error in errors] == [
        "Non-thread-safe operation invoked on an event loop other than the current one"
    ]


def test_a_coroutine_is_no_callback(loop: asyncio.AbstractEventLoop) -> None:
    async def coroutine() -> None:
        pass

    for call in (loop.call_soon, loop.call_soon_threadsafe):
        with pytest.raises(TypeError, match="coroutines cannot be used with"):
            call(coroutine)
    with pytest.raises(TypeError, match="coroutines cannot be used with"):
        loop.call_later(0, coroutine)
    with pytest.raises(TypeError, match="a callable object was expected"):
        loop.call_soon("text")  # type: ignore[arg-type]


def test_where_a_callback_came_from_is_told(loop: asyncio.AbstractEventLoop) -> None:
    reported: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, about: reported.append(about))

    def failing() -> None:
        raise ZeroDivisionError

    def the_caller() -> None:
        loop.call_soon(failing)
        loop.call_later(0.001, failing)

    loop.call_soon(the_caller)
    loop.run_until_complete(asyncio.sleep(0.02))
    assert len(reported) == 2
    for about in reported:
        assert any(frame.name == "the_caller" for frame in about["source_traceback"])
        assert "failing" in repr(about["handle"])
        assert "test_debug.py" in repr(about["handle"])


def test_the_same_things_happen_in_the_same_order(loop: asyncio.AbstractEventLoop) -> None:
    def trace(each: asyncio.AbstractEventLoop) -> list[str]:
        order: list[str] = []

        async def child(name: str) -> None:
            for turn in range(3):
                order.append(f"{name} {turn}")
                await asyncio.sleep(0)

        async def main() -> None:
            each.call_soon(order.append, "soon")
            each.call_later(0, order.append, "later")
            await asyncio.gather(child("a"), child("b"))
            future = each.create_future()
            future.add_done_callback(lambda _: order.append("done"))
            each.call_soon(future.set_result, None)
            await future

        each.run_until_complete(main())
        return order

    plain = new_event_loop()
    without = trace(plain)
    plain.close()
    assert trace(loop) == without


def test_it_is_switched_while_it_runs() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        for debug in (True, False, True):
            loop.set_debug(debug)
            await asyncio.sleep(0)
            assert loop.get_debug() is debug
            handle = loop.call_later(0.001, int)
            assert bool(getattr(handle, "_source_traceback", None)) is debug
            await asyncio.sleep(0.003)
            await asyncio.to_thread(int)

    run(main())
    run(main(), debug=True)


def test_a_coroutine_never_awaited_says_where_it_was_made(tmp_path: Path) -> None:
    program = (
        "import asyncio, importlib\n"
        f"make = getattr(importlib.import_module({NAME.partition(':')[0]!r}), {NAME.partition(':')[2]!r})\n"
        "async def forgotten(): pass\n"
        "async def main(): forgotten()\n"
        "with asyncio.Runner(loop_factory=make) as runner:\n"
        "    assert runner.get_loop().get_debug()\n"
        "    runner.run(main())\n"
    )
    command = [sys.executable, "-c", program]
    result = subprocess.run(
        command, capture_output=True, text=True, check=True, env=dict(os.environ, PYTHONASYNCIODEBUG="1"), cwd=tmp_path
    )
    assert "coroutine 'forgotten' was never awaited\nCoroutine created at (most recent call last)" in result.stderr


def test_a_loop_that_is_not_closed_is_warned_of() -> None:
    loop = new_event_loop()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del loop
        import gc

        gc.collect()
    assert [str(each.message).partition(" <")[0] for each in caught] == ["unclosed event loop"]
