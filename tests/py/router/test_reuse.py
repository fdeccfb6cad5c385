"""What lookup gives is given again only when nobody has it, and never with anything of an earlier caller's."""

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from velocem.router import BadPath, Router


def make() -> Router:
    router = Router()
    router.add("GET", "/static", "static")
    router.add("GET", "/one/{a}", "one")
    router.add("GET", "/three/{a}/{b}/{c}", "three")
    return router


def test_what_a_caller_keeps_stays_as_it_is() -> None:
    router = make()
    pairs = [router.lookup("GET", f"/three/{i}/x/y") for i in range(5)]
    params = [router.lookup("GET", f"/one/{i}")[1] for i in range(5)]
    statics = [router.lookup("GET", "/static")[1] for _ in range(3)]
    statics[0]["mine"] = 1
    assert pairs == [("three", {"a": str(i), "b": "x", "c": "y"}) for i in range(5)]
    assert params == [{"a": str(i)} for i in range(5)]
    assert statics == [{"mine": 1}, {}, {}]


Params = dict[str, Any]


def reorder(params: Params) -> None:
    params["b"] = params.pop("b")


def rename(params: Params) -> None:
    params["d"] = params.pop("c")


def empty(params: Params) -> None:
    params.clear()


def add(params: Params) -> None:
    params["z"] = 1


def replace(params: Params) -> None:
    params["b"] = []


@pytest.mark.parametrize("spoil", [reorder, rename, empty, add, replace])
def test_what_a_caller_did_to_the_parameters_is_not_seen_by_the_next(spoil: Callable[[Params], None]) -> None:
    router = make()
    for path, right in (("/three/1/2/3", {"a": "1", "b": "2", "c": "3"}), ("/static", {})):
        for _ in range(3):
            params = router.lookup("GET", path)[1]
            assert list(params.items()) == list(right.items())
            if right:
                spoil(params)
            else:
                add(params)
            del params


def test_two_lookups_at_a_time_have_each_their_own() -> None:
    router = make()

    class Asking:
        """Asks the same route, and adds one, while its place is taken by another value."""

        def __del__(self) -> None:
            inner.append(router.lookup("GET", "/three/4/5/6"))
            for i in range(40):
                router.add("GET", f"/more-{i}", i)

    inner: list[Any] = []
    router.lookup("GET", "/three/1/2/3")[1]["b"] = Asking()
    outer = router.lookup("GET", "/three/7/8/9")
    assert outer == ("three", {"a": "7", "b": "8", "c": "9"})
    assert inner == [("three", {"a": "4", "b": "5", "c": "6"})]


def test_a_value_that_is_no_text_leaves_a_router_that_goes_on() -> None:
    router = make()
    for _ in range(3):
        assert router.lookup("GET", "/three/1/2/3")[1] == {"a": "1", "b": "2", "c": "3"}
        with pytest.raises(BadPath):
            router.lookup("GET", "/three/4/%ff/6")


def test_what_an_application_s_converter_made_is_not_kept() -> None:
    class Made:
        def __init__(self, text: str) -> None:
            self.text = text

    router = Router(converters={"own": Made})
    router.add("GET", "/{x:own}", "own")
    made = weakref.ref(router.lookup("GET", "/a")[1]["x"])
    gc.collect()
    assert made() is None


def test_a_router_in_a_ring_with_its_target_is_collected_after_a_lookup() -> None:
    router = make()
    router.add("GET", "/ring/{a}", router)
    assert router.lookup("GET", "/ring/1")[0] is router
    gone = weakref.ref(router)
    del router
    gc.collect()
    assert gone() is None
