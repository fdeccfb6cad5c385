"""When a worker is started again, and who sits where."""

import time

from velocem.children import Child
from velocem.slots import MOST_DELAY, STEADY_SECONDS, Slot


def child() -> Child:
    return Child(0, -1, -1)


def test_starts_that_fail_are_tried_again_later_and_later() -> None:
    slot = Slot(0)
    delays = [slot.failed() for _ in range(9)]
    assert delays == [0, 0.5, 1, 2, 4, 8, 16, MOST_DELAY, MOST_DELAY]
    assert not slot.is_due(time.monotonic())
    assert slot.is_due(time.monotonic() + MOST_DELAY)


def test_a_worker_that_has_served_long_enough_is_replaced_at_once() -> None:
    slot = Slot(0)
    slot.failures = 5
    slot.coming = child()
    slot.seat(slot.coming)
    slot.vacate()
    assert slot.failures == 5
    slot.coming = child()
    slot.seat(slot.coming)
    assert slot.current is not None
    slot.current.ready_at = time.monotonic() - STEADY_SECONDS - 1
    slot.vacate()
    assert slot.failed() == 0


def test_the_one_that_comes_takes_the_place_of_the_one_that_serves() -> None:
    slot = Slot(3)
    assert not Slot(3).serves
    slot.coming = first = child()
    assert slot.seat(first) is None
    assert slot.serves
    slot.coming = second = child()
    slot.is_worn = True
    assert slot.children() == [first, second]
    assert slot.seat(second) is first
    assert slot.children() == [second]
    assert not slot.is_worn
    assert str(slot) == "worker 4"


def test_a_slot_that_is_taken_back_starts_a_worker_only_if_it_has_none() -> None:
    slot = Slot(1)
    slot.coming = child()
    slot.seat(slot.coming)
    slot.start_at, slot.leave_at = None, time.monotonic()
    assert not slot.is_wanted
    slot.take_back()
    assert slot.serves
    assert not slot.is_due(time.monotonic())
    slot.vacate()
    slot.given_up = True
    slot.take_back()
    assert slot.is_due(time.monotonic())
