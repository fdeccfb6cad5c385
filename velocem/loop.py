"""The asyncio event loop: the C core under the standard library's Unix loop, which gives all that is not hot."""

import asyncio
import asyncio.base_events
import asyncio.events
import asyncio.format_helpers
import asyncio.log
import inspect
import os
import selectors
import sys
import weakref
from collections.abc import Callable
from types import BuiltinFunctionType
from typing import Any, NoReturn

from velocem._core import BaseEventLoop, learn_tasks

logger = asyncio.log.logger

# From 3.13 on it can keep the arguments out of the log; before, it has no such parameter and always shows them.
_format_callback_source = asyncio.format_helpers._format_callback_source  # pyright: ignore[reportPrivateUsage]
_HAS_DEBUG = "debug" in inspect.signature(_format_callback_source).parameters


class _Elsewhere:
    """Stands where the library's loop keeps a queue that here is in C: nothing to see, and nothing to clear."""

    def clear(self) -> None:
        """There is nothing: _close_core does it."""

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"velocem.EventLoop keeps its callbacks and timers in C: there is no {name!r} of them")

    def __len__(self) -> NoReturn:
        raise TypeError("velocem.EventLoop keeps its callbacks and timers in C: they cannot be counted")


class _Selector:
    """What the library asks its selector, which here is in C: what is watched, for a repr, and to be closed."""

    def __init__(self, loop: "EventLoop") -> None:
        self._loop = weakref.ref(loop)

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        loop = self._loop()
        events = loop._watched(fileobj) if loop is not None else 0
        if not events:
            raise KeyError(f"{fileobj!r} is not registered")
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        return selectors.SelectorKey(fileobj, fd, events, None)

    def close(self) -> None:
        """Give back what the kernel has given: the last step of the library's own closing."""
        loop = self._loop()
        if loop is not None:
            loop._close_core()

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"velocem.EventLoop polls in C: it has no selector to {name!r} with")


class EventLoop(BaseEventLoop, asyncio.SelectorEventLoop):
    """asyncio's Unix event loop with its queue, timers, polling and transports in C."""

    _ready = _scheduled = property(lambda _: _Elsewhere(), lambda _, __: None)

    def __init__(self) -> None:
        super().__init__(_Selector(self))  # type: ignore[arg-type]
        _loops.add(self)

    def _callback_failed(self, handle: asyncio.Handle, exception: BaseException) -> None:
        """As asyncio.Handle._run does it; called by the core."""
        debug = {"debug": self.get_debug()} if _HAS_DEBUG else {}
        source = _format_callback_source(handle._callback, handle._args, **debug)  # type: ignore[attr-defined]
        context: dict[str, Any] = {
            "message": f"Exception in callback {source}",
            "exception": exception,
            "handle": handle,
        }
        traceback = handle._source_traceback  # type: ignore[attr-defined]
        if traceback:
            context["source_traceback"] = traceback
        self.call_exception_handler(context)

    def _callback_was_slow(self, handle: asyncio.Handle, seconds: float) -> None:
        logger.warning("Executing %s took %.3f seconds", asyncio.base_events._format_handle(handle), seconds)  # type: ignore[attr-defined]


# A forked child has the same poller as its parent until it is given one of its own.
_loops: "weakref.WeakSet[EventLoop]" = weakref.WeakSet()


def _after_fork() -> None:
    for loop in _loops:
        loop._after_fork()


os.register_at_fork(after_in_child=_after_fork)


class _ProbeLoop:
    """Stands in for a loop before a task, and takes note of what it is asked to call."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, tuple[Any, ...]]] = []

    def call_soon(self, callback: Callable[..., object], *args: object, context: object = None) -> None:  # noqa: ARG002
        self.calls.append((callback, args))

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True


async def _wait(future: "asyncio.Future[None]") -> None:
    await future


def _probe_tasks() -> tuple[object | None, object | None]:
    """What asyncio's tasks give to call_soon: for a step, and for a waking by a future; None where it is not as known.

    Both are private to the accelerator module. It drops the handle that it gets for them, so the core makes none.
    """
    loop: Any = _ProbeLoop()
    future: asyncio.Future[None] = asyncio.Future(loop=loop)
    running = asyncio.events._get_running_loop()
    asyncio.events._set_running_loop(loop)
    try:
        task = asyncio.Task(_wait(future), loop=loop)
        step, step_args = loop.calls.pop()
        step()
        future.set_result(None)
        wakeup, wakeup_args = loop.calls.pop()
        wakeup(future)
    finally:
        asyncio.events._set_running_loop(running)
    is_step = type(step).__name__ == "TaskStepMethWrapper" and step_args == ()
    is_wakeup = isinstance(wakeup, BuiltinFunctionType) and wakeup.__self__ is task and wakeup_args == (future,)
    return step if is_step else None, wakeup if is_wakeup else None


learn_tasks(*_probe_tasks())


def new_event_loop() -> EventLoop:
    """A new loop: for asyncio.run(main(), loop_factory=velocem.new_event_loop)."""
    return EventLoop()


if sys.version_info < (3, 16):

    class EventLoopPolicy(asyncio.DefaultEventLoopPolicy):
        """asyncio's policy, with loops of ours."""

        _loop_factory = EventLoop

    def install() -> None:
        """Make every new loop of this process one of ours; asyncio.run(..., loop_factory=...) does without."""
        asyncio.set_event_loop_policy(EventLoopPolicy())  # pyright: ignore[reportDeprecated]

else:

    def install() -> None:
        """There are no policies any more."""
        raise RuntimeError(
            "asyncio has no event loop policies from Python 3.16 on: "
            "use asyncio.run(main(), loop_factory=velocem.new_event_loop)"
        )
