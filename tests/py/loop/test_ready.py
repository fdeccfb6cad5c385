"""call_soon and what runs it: order, handles, contexts, errors."""

import asyncio
import contextvars
import gc
import sys
import weakref
from typing import Any

import pytest

import velocem

variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)


def run_briefly(loop: asyncio.AbstractEventLoop) -> None:
    loop.call_soon(loop.stop)
    loop.run_forever()


def test_callbacks_run_in_the_order_they_were_filed(loop: velocem.EventLoop) -> None:
    seen: list[int] = []
    for i in range(1000):
        loop.call_soon(seen.append, i)
    run_briefly(loop)
    assert seen == list(range(1000))


@pytest.mark.parametrize("count", range(7))
def test_a_callback_gets_its_arguments(loop: velocem.EventLoop, count: int) -> None:
    seen: list[tuple[int, ...]] = []
    handle = loop.call_soon(lambda *args: seen.append(args), *range(count))
    assert handle._args == tuple(range(count))
    run_briefly(loop)
    assert seen == [tuple(range(count))]


def test_what_a_callback_files_waits_for_the_next_round(loop: velocem.EventLoop) -> None:
    seen: list[str] = []

    def first() -> None:
        loop.call_soon(seen.append, "filed by the first")
        loop.stop()

    loop.call_soon(first)
    loop.call_soon(seen.append, "second")
    loop.run_forever()
    assert seen == ["second"]
    run_briefly(loop)
    assert seen == ["second", "filed by the first"]


def test_a_handle_is_one_of_asyncio(loop: velocem.EventLoop) -> None:
    handle = loop.call_soon(print)
    timer = loop.call_later(5, print)
    assert isinstance(handle, asyncio.Handle)
    assert isinstance(timer, asyncio.TimerHandle)
    assert repr(handle).startswith("<Handle print(")
    assert repr(timer).startswith(f"<TimerHandle when={timer.when()} print(")
    handle.cancel()
    timer.cancel()
    assert repr(handle) == "<Handle cancelled>"
    assert repr(timer) == f"<TimerHandle cancelled when={timer.when()}>"
    assert handle.cancelled()


def test_a_cancelled_callback_is_not_called_and_let_go(loop: velocem.EventLoop) -> None:
    class Argument:
        pass

    argument = Argument()
    kept = weakref.ref(argument)
    handle = loop.call_soon(print, argument)
    del argument
    handle.cancel()
    handle.cancel()
    gc.collect()
    assert kept() is None
    run_briefly(loop)


def test_a_callback_may_cancel_itself(loop: velocem.EventLoop) -> None:
    seen: list[list[int]] = []

    def callback(argument: list[int]) -> None:
        handle.cancel()
        seen.append(argument)

    handle = loop.call_soon(callback, [1])
    run_briefly(loop)
    assert seen == [[1]]


def test_a_callback_runs_in_a_copy_of_the_present_context(loop: velocem.EventLoop) -> None:
    seen: list[int] = []

    def callback() -> None:
        seen.append(variable.get())
        variable.set(2)

    token = variable.set(1)
    handle = loop.call_soon(callback)
    variable.reset(token)
    run_briefly(loop)
    assert seen == [1]
    assert variable.get() == 0
    assert handle._context[variable] == 2  # type: ignore[attr-defined]


def test_a_context_may_be_given(loop: velocem.EventLoop) -> None:
    context = contextvars.copy_context()
    handle = loop.call_soon(variable.set, 7, context=context)
    loop.call_later(0, lambda: variable.set(variable.get() + 1), context=context)
    run_briefly(loop)
    run_briefly(loop)
    assert handle._context is context  # type: ignore[attr-defined]
    assert context[variable] == 8


def test_anything_with_a_run_method_is_a_context(loop: velocem.EventLoop) -> None:
    calls: list[tuple[Any, ...]] = []

    class Context:
        def run(self, *args: Any) -> None:
            calls.append(args)

    loop.call_soon(print, 1, 2, context=Context())  # type: ignore[arg-type]
    run_briefly(loop)
    assert calls == [(print, 1, 2)]


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="the exception handler runs in that context too, and cannot")
def test_a_context_that_is_entered_already_is_an_error_of_the_callback(loop: velocem.EventLoop) -> None:
    errors: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: errors.append(context))
    context = contextvars.copy_context()
    loop.call_soon(print, context=context)
    context.run(run_briefly, loop)
    assert [type(error["exception"]) for error in errors] == [RuntimeError]


def test_an_exception_is_reported_and_the_rest_goes_on(loop: velocem.EventLoop) -> None:
    errors: list[dict[str, Any]] = []
    seen: list[int] = []
    loop.set_exception_handler(lambda _, context: errors.append(context))
    handle = loop.call_soon(lambda: 1 / 0)
    loop.call_soon(seen.append, 1)
    run_briefly(loop)
    assert seen == [1]
    (error,) = errors
    assert isinstance(error["exception"], ZeroDivisionError)
    assert error["handle"] is handle
    assert error["message"].startswith("Exception in callback test_an_exception_is_reported")


@pytest.mark.parametrize("fatal", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_leaves_the_run_and_the_rest_for_the_next(
    loop: velocem.EventLoop, fatal: type[BaseException]
) -> None:
    seen: list[int] = []

    def callback() -> None:
        raise fatal

    loop.call_soon(callback)
    loop.call_soon(seen.append, 1)
    with pytest.raises(fatal):
        loop.run_forever()
    assert seen == []
    run_briefly(loop)
    assert seen == [1]


def test_a_closed_loop_takes_nothing(loop: velocem.EventLoop) -> None:
    loop.close()
    for call in (
        lambda: loop.call_soon(print),
        lambda: loop.call_soon_threadsafe(print),
        lambda: loop.call_later(1, print),
        lambda: loop.call_at(1, print),
        lambda: loop.add_reader(0, print),
        loop.run_forever,
    ):
        with pytest.raises(RuntimeError, match="Event loop is closed"):
            call()


def test_arguments_may_be_named(loop: velocem.EventLoop) -> None:
    seen: list[int] = []
    loop.call_soon(callback=lambda: seen.append(1))
    loop.call_later(delay=0, callback=lambda: seen.append(2))
    loop.call_at(0, callback=lambda: seen.append(3))
    run_briefly(loop)
    run_briefly(loop)
    assert sorted(seen) == [1, 2, 3]


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((), {}),
        ((print,), {"callback": print}),
        ((print,), {"unknown": 1}),
        ((), {"context": contextvars.copy_context()}),
    ],
)
def test_wrong_arguments_are_refused(loop: velocem.EventLoop, args: Any, kwargs: Any) -> None:
    with pytest.raises(TypeError, match="call_soon"):
        loop.call_soon(*args, **kwargs)


def test_a_task_needs_no_handle_but_its_failing_step_is_reported_with_one() -> None:
    class Loop(velocem.EventLoop):
        pass

    async def main() -> None:
        await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(main())


def test_who_replaces_call_soon_gets_a_handle_for_every_call() -> None:
    got: list[asyncio.Handle] = []

    class Loop(velocem.EventLoop):
        def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:  # type: ignore[override]
            handle = super().call_soon(callback, *args, context=context)
            got.append(handle)
            return handle

    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_result, None)
        await future

    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(main())
    assert len(got) > 3
    assert all(isinstance(handle, asyncio.Handle) for handle in got)


def test_who_patches_call_soon_gets_a_handle_for_every_call(loop: velocem.EventLoop) -> None:
    got: list[asyncio.Handle] = []
    original = loop.call_soon

    def patched(callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
        handle = original(callback, *args, context=context)
        got.append(handle)
        return handle

    async def main() -> None:
        await asyncio.sleep(0)

    loop.call_soon = patched  # type: ignore[method-assign, assignment]
    loop.run_until_complete(main())
    assert len(got) > 1
    assert all(isinstance(handle, asyncio.Handle) for handle in got)


def test_queues_of_the_library_are_not_there(loop: velocem.EventLoop) -> None:
    with pytest.raises(AttributeError, match="in C"):
        loop._ready.popleft()
    with pytest.raises(TypeError, match="in C"):
        len(loop._scheduled)
    with pytest.raises(AttributeError, match="in C"):
        loop._selector.select(0)  # type: ignore[attr-defined]


def test_debug_mode_checks_threads_and_callbacks(loop: velocem.EventLoop) -> None:
    async def coroutine() -> None:
        pass

    loop.set_debug(True)
    made = coroutine()
    for call in (loop.call_soon, loop.call_soon_threadsafe, lambda callback: loop.call_later(1, callback)):
        with pytest.raises(TypeError, match="coroutines cannot be used"):
            call(coroutine)
        with pytest.raises(TypeError, match="coroutines cannot be used"):
            call(made)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="a callable object was expected"):
            call(1)  # type: ignore[arg-type]
    made.close()

    async def main() -> None:
        with pytest.raises(RuntimeError, match="Non-thread-safe operation"):
            await loop.run_in_executor(None, loop.call_soon, print)

    loop.run_until_complete(main())
    loop.run_until_complete(loop.shutdown_default_executor())


def test_debug_mode_tells_of_slow_callbacks(loop: velocem.EventLoop, caplog: pytest.LogCaptureFixture) -> None:
    loop.set_debug(True)
    loop.slow_callback_duration = 0

    async def main() -> None:
        await asyncio.sleep(0)

    loop.run_until_complete(main())
    assert any("Executing <Task" in record.message for record in caplog.records)
    caplog.clear()
    handle = loop.call_soon(print)
    run_briefly(loop)
    assert any(f"Executing {handle!r} took" in record.message for record in caplog.records)


def test_debug_mode_remembers_where_a_handle_was_made(loop: velocem.EventLoop) -> None:
    loop.set_debug(True)
    handle = loop.call_soon(print)
    timer = loop.call_later(1, print)
    for made in (handle, timer):
        traceback = made._source_traceback  # type: ignore[attr-defined]
        assert traceback[-1].name == "test_debug_mode_remembers_where_a_handle_was_made"
        assert "created at" in repr(made)
        made.cancel()
        assert "print" in repr(made)
