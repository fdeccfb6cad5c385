"""Calls in threads beside a loop: which are told of as stuck."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from velocem.calls import Watch

DEADLINE = 0.2


@pytest.fixture
def told() -> list[int]:
    return []


@pytest.fixture
def watch(told: list[int]) -> Iterator[Watch]:
    made = Watch(DEADLINE, told.append)
    yield made
    made.stop()


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_a_call_gives_is_given(watch: Watch, told: list[int]) -> None:
    assert watch.run(divmod, 7, 4) == (1, 3)
    with pytest.raises(ZeroDivisionError):
        watch.run(divmod, 7, 0)
    assert told == []


def test_a_call_that_does_not_come_back_is_told_of_once(watch: Watch, told: list[int]) -> None:
    over = threading.Event()
    thread = threading.Thread(target=watch.run, args=(over.wait,))
    thread.start()
    wait_until(lambda: told)
    time.sleep(2 * DEADLINE)
    assert told == [thread.ident]
    over.set()
    thread.join()


def test_time_is_each_call_s_own_and_not_the_client_s(told: list[int]) -> None:
    watch = Watch(0.6, told.append)

    def wait_for_the_client() -> None:
        with watch.paused():
            time.sleep(0.9)

    watch.run(wait_for_the_client)
    for _ in range(9):
        watch.run(time.sleep, 0.1)
    watch.stop()
    assert told == []
