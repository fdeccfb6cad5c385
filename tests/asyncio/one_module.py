"""Runs tests of one module of the installed test.test_asyncio on a given loop, and tells of each in a line of JSON.

Nothing of those tests is in this repository. They make loops by asyncio.new_event_loop, asyncio.SelectorEventLoop,
asyncio.EventLoop and asyncio.Runner; here each of these gives the loop that is tried, before the module is imported.
"""

import asyncio
import faulthandler
import importlib
import json
import os
import signal
import sys
import time
import traceback
import unittest
from asyncio import unix_events
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

PACKAGE = "test.test_asyncio."
PLAIN = "plain"  # the standard library's own loop: what the others are compared with


class Counts:
    """Loops made so far: of the type that is tried, and of the standard library's."""

    ours = 0
    stock = 0


def count_stock_loops(tried: type | None) -> None:
    """The tests' own doubles are subclasses of inner classes and do not come by here."""
    original = unix_events._UnixSelectorEventLoop.__init__

    def counting(self: Any, *args: Any, **kwargs: Any) -> None:
        if tried is None or not isinstance(self, tried):
            Counts.stock += 1
        original(self, *args, **kwargs)

    unix_events._UnixSelectorEventLoop.__init__ = counting  # type: ignore[method-assign]


def stand_in(make: Callable[[], asyncio.AbstractEventLoop], tried: type) -> type:
    """A class to be called and asked with isinstance like SelectorEventLoop."""

    class Meta(type):
        def __call__(cls, selector: Any = None) -> Any:
            if selector is not None:
                selector.close()
            Counts.ours += 1
            return make()

        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, tried)

    return Meta("SelectorEventLoop", (), {"__doc__": "In the place of the selector loop."})


def replace_loops(name: str) -> None:
    """Name is package:factory."""
    module, _, attribute = name.partition(":")
    make = getattr(importlib.import_module(module), attribute)
    example = make()
    tried = type(example)
    example.close()
    if tried is unix_events._UnixSelectorEventLoop:
        raise SystemExit(f"{name} makes the standard library's own loop")
    count_stock_loops(tried)
    loop_class = stand_in(make, tried)
    for place in (asyncio, unix_events):
        for each in ("SelectorEventLoop", "EventLoop"):
            if hasattr(place, each):
                setattr(place, each, loop_class)
    policy: Any = getattr(unix_events, "DefaultEventLoopPolicy", None) or unix_events._DefaultEventLoopPolicy  # type: ignore[attr-defined]
    policy._loop_factory = loop_class


def close_without_private_names() -> None:
    """The tests' closing of a loop reads _default_executor, which a loop that is no BaseEventLoop has not."""
    case: Any = importlib.import_module(PACKAGE + "utils").TestCase
    original = case.close_loop

    def close_loop(loop: asyncio.AbstractEventLoop) -> None:
        if hasattr(loop, "_default_executor"):
            original(loop)
            return
        if not loop.is_closed():
            loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    case.close_loop = staticmethod(close_loop)


def every_test(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from every_test(test)
        else:
            yield test


class Outcome(NamedTuple):
    """What is told of a test: of ok, fail, error, skip, expected failure, unexpected success the first that applies."""

    test: str
    outcome: str
    text: str
    loops: int
    stock: int
    seconds: float


class Report(unittest.TestResult):
    """Tells of the beginning and the end of each test at once, so that a crash says where it was."""

    def __init__(self, descriptor: int, seconds: float) -> None:
        super().__init__()
        os.set_inheritable(descriptor, False)
        self.to = os.fdopen(descriptor, "w", buffering=1)
        self.limit = seconds
        self.found: list[tuple[str, str]] = []
        self.before = (0, 0, 0.0)

    def tell(self, line: object) -> None:
        print(json.dumps(line), file=self.to)

    def startTest(self, test: unittest.TestCase) -> None:  # noqa: N802
        super().startTest(test)
        self.found = []
        self.before = (Counts.ours, Counts.stock, time.monotonic())
        faulthandler.dump_traceback_later(self.limit, exit=True)
        self.tell({"begins": short(test)})

    def stopTest(self, test: unittest.TestCase) -> None:  # noqa: N802
        super().stopTest(test)
        faulthandler.cancel_dump_traceback_later()
        kind, text = self.found[0] if self.found else ("ok", "")
        ours, stock, began = self.before
        seconds = time.monotonic() - began
        self.tell(Outcome(short(test), kind, text, Counts.ours - ours, Counts.stock - stock, seconds)._asdict())

    def note(self, test: unittest.TestCase, kind: str, text: str) -> None:
        """Of a test, or of a fixture of a class or module: then nothing has begun."""
        if hasattr(test, "_testMethodName"):
            self.found.append((kind, text))
        else:
            self.tell(Outcome(short(test), kind, text, 0, 0, 0.0)._asdict())

    def addError(self, test: unittest.TestCase, err: Any) -> None:  # noqa: N802
        self.note(test, "error", "".join(traceback.format_exception(*err)))

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:  # noqa: N802
        self.note(test, "fail", "".join(traceback.format_exception(*err)))

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:  # noqa: N802
        if err is not None:
            self.note(test, "fail", f"{subtest}\n" + "".join(traceback.format_exception(*err)))

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:  # noqa: N802
        self.note(test, "skip", reason)

    def addExpectedFailure(self, test: unittest.TestCase, err: Any) -> None:  # noqa: N802
        self.note(test, "expected failure", "")

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802
        self.note(test, "fail", "unexpected success")


def short(test: unittest.TestCase) -> str:
    return test.id().removeprefix(PACKAGE)


def main(arguments: list[str]) -> None:
    """DESCRIPTOR LOOP SECONDS MODULE, and on standard input a list of tests in JSON; null stands for all."""
    descriptor, name, seconds, module = arguments
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job begins with it ignored
    report = Report(int(descriptor), float(seconds))
    wanted = json.load(sys.stdin)
    if name == PLAIN:
        count_stock_loops(None)
    else:
        replace_loops(name)
        close_without_private_names()
    try:
        tests = list(every_test(unittest.defaultTestLoader.loadTestsFromName(PACKAGE + module)))
    except unittest.SkipTest as skip:
        report.tell({"absent": str(skip)})
        return
    if wanted is None:
        report.tell({"tests": [short(test) for test in tests]})
        return
    unittest.TestSuite(test for test in tests if short(test) in set(wanted)).run(report)
    report.tell({"done": True})


if __name__ == "__main__":
    main(sys.argv[1:])
