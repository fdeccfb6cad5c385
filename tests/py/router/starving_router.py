"""Run by itself: every Python allocation of a question fails in turn, and many questions leave no memory behind."""

import _testcapi  # type: ignore[import-not-found]
import gc
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from velocem._core import Match, RouterBase
from velocem.router import BadPath, MethodNotAllowed, NotFound, Router

FIELDS = "target params route allow rest slash".split()


def hexadecimal(text: str) -> int:
    return int(text, 16)


def make() -> Router:
    router = Router(converters={"hex": hexadecimal})
    for pattern in (
        "/a",
        "/{x}/{y:int}",
        "/u/{u:uuid}/{d:date}",
        "/f/{f:float}/{e:enum(a,b)}",
        "/h/{h:hex}",
        "/r/{r:re(x+)}",
    ):
        router.add("GET", pattern, pattern)
    router.mount("/m", "mount")
    router.add("GET", "/{x}", "tenant", host="{t}.example.com")
    router.freeze()
    return router


def told(found: Any) -> Any:
    return [str(getattr(found, name)) for name in FIELDS] if isinstance(found, Match) else found


def adding() -> Any:
    router = RouterBase()
    router._options(False, True, False, True, False)
    router._add(("GET",), "/{a}-{b:int}/{c:path}", "{h}.example.com", False, 1, None)
    router._add(None, "/b", "", True, 2, None, ("x",))
    return router._candidates("/b"), router.lookup("GET", "/x-1/y", "a.example.com")


ROUTER = make()
UUID = "01234567-89ab-cdef-0123-456789abcdef"
QUESTIONS: dict[str, Callable[[], Any]] = {
    "static": partial(ROUTER.lookup, "GET", "/a"),
    "values": partial(ROUTER.lookup, "GET", "/x%20y/12"),
    "types": partial(ROUTER.lookup, "GET", f"/u/{UUID}/2026-01-02"),
    "float": partial(ROUTER.lookup, "GET", "/f/1.5/a"),
    "own": partial(ROUTER.lookup, "GET", "/h/ff"),
    "own no": partial(ROUTER.lookup, "GET", "/h/xy"),
    "expression": partial(ROUTER.match, "GET", "/r/xx"),
    "host": partial(ROUTER.lookup, "GET", "/é", "t.example.com"),
    "long": partial(ROUTER.lookup, "GET", "/" + "%41" * 1000 + "/1"),
    "miss": partial(ROUTER.lookup, "GET", "/none/of/these"),
    "method": partial(ROUTER.lookup, "PUT", "/a"),
    "bad": partial(ROUTER.lookup, "GET", "/%"),
    "not utf-8": partial(ROUTER.lookup, "GET", "/%ff/1"),
    "mount": partial(ROUTER.match, "GET", "/m/a/b"),
    "slash": partial(ROUTER.match, "GET", "/a/"),
    "405": partial(ROUTER.match, "PUT", "/a"),
    "allowed": partial(ROUTER.allowed, "/a"),
    "adding": adding,
    "pieces": partial(Router._pieces, "/a/{b:int}-{c}"),
}


def outcome(question: Callable[[], Any]) -> Any:
    try:
        return question()
    except (NotFound, MethodNotAllowed, BadPath) as error:
        return type(error)


def starve(name: str, question: Callable[[], Any]) -> None:
    right = told(outcome(question))
    for number in range(1, 400):
        failed, got = False, None
        _testcapi.set_nomemory(number, number + 1)
        try:
            got = outcome(question)
        except MemoryError:
            failed = True
        except SystemError as error:
            # CPython loses the exception of a function of Python's when there is no memory for its traceback.
            failed = "<function" in str(error)
            got = error
        finally:
            _testcapi.remove_mem_hooks()
        assert failed or told(got) == right, (name, number, got)
        if not failed and number > 60:
            break
    assert told(outcome(question)) == right, name


def leak(name: str, question: Callable[[], Any]) -> None:
    def blocks(rounds: int) -> int:
        for _ in range(rounds):
            outcome(question)
        gc.collect()
        return sys.getallocatedblocks()

    blocks(200)
    before = blocks(10)
    assert blocks(2000) - before < 1000, name


for each, asked in QUESTIONS.items():
    starve(each, asked)
    leak(each, asked)
print("whole")
