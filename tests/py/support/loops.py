"""The event loop under test: Velocem's, or the one that LOOP names, as asyncio:SelectorEventLoop to compare with."""

import asyncio
import importlib
import os
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar

import pytest

Result = TypeVar("Result")

NAME = os.environ.get("LOOP") or "velocem:new_event_loop"


def named(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    module, _, attribute = name.partition(":")
    made: Callable[[], asyncio.AbstractEventLoop] = getattr(importlib.import_module(module), attribute)
    return made


new_event_loop = named(NAME)


def kind() -> type[asyncio.AbstractEventLoop]:
    """The class of what new_event_loop makes."""
    loop = new_event_loop()
    loop.close()
    return type(loop)


KIND = kind()

# What only this loop promises; the standard library's fails it, or has it otherwise.
only_ours = pytest.mark.skipif(NAME != "velocem:new_event_loop", reason="a promise of Velocem's loop alone")


def check_running() -> None:
    """That the caller runs on the loop under test."""
    assert type(asyncio.get_running_loop()) is KIND


def run(main: Coroutine[Any, Any, Result], *, debug: bool = False, context: Context | None = None) -> Result:
    """asyncio.run on the loop under test; what its exception handler is told, and a task that does not end, fail."""
    reported: list[dict[str, Any]] = []

    async def checked() -> Result:
        check_running()
        asyncio.get_running_loop().set_exception_handler(lambda _, about: reported.append(about))
        result = await main
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            _, left = await asyncio.wait(others, timeout=20)
            assert not left, left
        return result

    with asyncio.Runner(loop_factory=new_event_loop, debug=debug) as runner:
        result = runner.run(checked(), context=context)
    assert not reported, reported
    return result
