"""call_later and call_at: never early, in order, nothing kept of what was cancelled."""

import asyncio
import gc
import time
import weakref
from typing import Any

import pytest

import velocem


def run_for(loop: asyncio.AbstractEventLoop, seconds: float) -> None:
    loop.call_later(seconds, loop.stop)
    loop.run_forever()


def test_no_timer_is_early(loop: velocem.EventLoop) -> None:
    late: list[float] = []
    for i in range(200):
        when = loop.time() + i * 0.0003
        loop.call_at(when, lambda when=when: late.append(loop.time() - when))  # type: ignore[misc]
    run_for(loop, 0.08)
    assert len(late) == 200
    assert min(late) > -1e-9


def test_the_time_is_that_of_monotonic(loop: velocem.EventLoop) -> None:
    before = time.monotonic()
    now = loop.time()
    assert before <= now <= time.monotonic()


def test_timers_of_one_moment_run_in_one_round_in_order(loop: velocem.EventLoop) -> None:
    seen: list[Any] = []
    when = loop.time() + 0.01
    for i in range(100):
        loop.call_at(when, seen.append, i)
    loop.call_at(when, loop.stop)
    loop.call_at(when, loop.call_soon, seen.append, "next round")
    loop.run_forever()
    assert seen == list(range(100))


def test_timers_run_by_their_time(loop: velocem.EventLoop) -> None:
    seen: list[int] = []
    now = loop.time()
    for i in range(500):
        loop.call_at(now + (i * 7919 % 500) * 1e-5, seen.append, i * 7919 % 500)
    run_for(loop, 0.05)
    assert seen == sorted(seen)
    assert len(seen) == 500


def test_a_cancelled_timer_is_let_go_at_once(loop: velocem.EventLoop) -> None:
    class Argument:
        pass

    kept = []
    for delay in (1000, 2000, 500):
        argument = Argument()
        kept.append(weakref.ref(argument))
        loop.call_later(delay, print, argument).cancel()
        del argument
    gc.collect()
    assert [reference() for reference in kept] == [None, None, None]


def test_cancelled_timers_do_not_pile_up(loop: velocem.EventLoop) -> None:
    handles = [weakref.ref(loop.call_later(1000 - i, print)) for i in range(1000)]
    for reference in handles:
        handle = reference()
        assert handle is not None
        handle.cancel()
        del handle
    gc.collect()
    assert sum(reference() is not None for reference in handles) <= 101


def test_the_going_of_a_timer_may_set_another(loop: velocem.EventLoop) -> None:
    seen: list[int] = []

    class Last:
        def __del__(self) -> None:
            loop.call_later(0, seen.append, 1)

    handles = [loop.call_later(1000 - i, print, Last()) for i in range(300)]
    for handle in handles:
        handle.cancel()
    del handle, handles
    run_for(loop, 0.01)
    assert len(seen) == 300


def test_a_timer_may_be_cancelled_in_its_own_round(loop: velocem.EventLoop) -> None:
    when = loop.time() + 0.001
    handles: list[asyncio.TimerHandle] = []

    def cancel() -> None:
        handles[0].cancel()

    loop.call_at(when, cancel)
    handles.append(loop.call_at(when, pytest.fail))
    run_for(loop, 0.01)
    assert handles[0].cancelled()


@pytest.mark.parametrize("delay", [0, -1, 0.0, -0.5, False])
def test_a_delay_of_nothing_is_the_next_round(loop: velocem.EventLoop, delay: float) -> None:
    seen: list[int] = []
    loop.call_later(delay, seen.append, 1)
    run_for(loop, 0)
    assert seen == [1]


def test_a_timer_of_never_does_not_come(loop: velocem.EventLoop) -> None:
    handle = loop.call_later(float("inf"), pytest.fail)
    run_for(loop, 0.001)
    assert handle.when() == float("inf")


@pytest.mark.parametrize("value", [None, "1", object()])
def test_a_time_is_a_number(loop: velocem.EventLoop, value: Any) -> None:
    with pytest.raises(TypeError):
        loop.call_later(value, print)
    with pytest.raises(TypeError):
        loop.call_at(value, print)


def test_timer_handles_compare_by_time(loop: velocem.EventLoop) -> None:
    first, second = loop.call_at(1e9, print), loop.call_at(2e9, print)
    assert first < second
    assert first <= second
    assert second > first
    assert second >= first
    assert first != second
    assert hash(first) == hash(1e9)
    assert first.when() == 1e9


def test_short_sleeps_are_not_rounded_to_milliseconds(runner: asyncio.Runner) -> None:
    """The shortest of many: one of them comes in time on a busy machine too, and a rounded one lasts a millisecond."""

    async def main() -> float:
        began = time.monotonic()
        await asyncio.sleep(0.0001)
        return time.monotonic() - began

    assert min(runner.run(main()) for _ in range(500)) < 0.0009
