"""What runs for a request beside the handler: providers, hooks, and the clean-up after the response.

A Program is made once for a route, and called with its leaves. It is one coroutine; where nothing in it waits, it is
driven to its end by one step, without a loop.
"""

import asyncio
import contextlib
import contextvars
import functools
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar, cast

from velocem import calls
from velocem._core import FileBody
from velocem.logging import logger
from velocem.providers import Kind
from velocem.responses import Chunks, Response, Stream

T = TypeVar("T")
Slots = list[Any]
Entered = list[Any]  # generators that have given their value, in order
Next = Callable[[], Awaitable[Response]]
"""What an ``around`` hook gets as ``call`` when it is ``async def``; one that is ``def`` need not wait for it."""


class Step(NamedTuple):
    """One call. Slots are the leaves from the front, and what steps give from the back: -1 is the first step's."""

    function: Callable[..., Any]
    inputs: tuple[int, ...]
    output: int
    kind: Kind
    answers: bool = False  # a before hook: what it gives, if not None, is the response
    hops: bool = False  # somebody's own function, which may block


@dataclass(frozen=True, slots=True)
class Hook:
    """An around or after hook, the steps that its arguments need, and the slot that it gets call or the response in."""

    steps: tuple[Step, ...]
    function: Callable[..., Any]
    inputs: tuple[int, ...]
    special: int
    waits: bool


Rest = Callable[[], Coroutine[Any, Any, None]]


class Endings:
    """What is done after responses, on one loop: as tasks, which are begun when the core has the response."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[None]] = set()

    def add(self, response: Response, rest: Rest) -> None:
        """A stream ends when it is closed, anything else at once."""
        if isinstance(response.body, bytes | FileBody):
            self.begin(rest)
        else:
            response.body = Ending(response.body, rest, self)

    def begin(self, rest: Rest) -> None:
        task = asyncio.get_running_loop().create_task(rest(), name="after the response")
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def settle(self) -> None:
        """Wait until there is none."""
        while self.tasks:
            await asyncio.wait(self.tasks)


class Ending:
    """A stream with what comes after it: once, when it is closed, or when nobody has it any more."""

    def __init__(self, body: Stream, rest: Rest, endings: Endings) -> None:
        self.body = body
        self.rest: Rest | None = rest
        self.endings = endings

    def __aiter__(self) -> "Ending":
        return self

    async def __anext__(self) -> bytes:
        return await anext(self.body)

    async def aclose(self) -> None:
        try:
            await cast("Chunks", self.body).aclose()
        finally:
            rest, self.rest = self.rest, None
            if rest is not None:
                await rest()

    def __del__(self) -> None:
        rest, self.rest = self.rest, None
        if rest is not None:
            with contextlib.suppress(RuntimeError):  # there is no loop any more
                self.endings.begin(rest)


Answer = Callable[[BaseException, Slots], Awaitable[Response | None]]


@dataclass(frozen=True, slots=True)
class Program:
    """The steps of a route, the last of them its handler, and the hooks around."""

    leaves: int
    blanks: int
    steps: tuple[Step, ...]
    around: tuple[Hook, ...]
    after: tuple[Hook, ...]
    respond: Callable[[Any], Response]  # of what a handler or a hook returned
    answer: Answer | None  # the response to an exception, or None when there is none
    answer_waits: bool
    endings: Endings
    plain: bool  # no hooks, nothing to clean up: what the handler returns is handed on

    async def run(self, *leaves: Any) -> Any:
        """What the core calls, where something waits."""
        result, entered = await self.go(leaves)
        if entered:
            self.endings.add(result, functools.partial(leave, entered))
        return result

    def run_now(self, *leaves: Any) -> Any:
        """The same, where nothing waits."""
        result, entered = drive(self.go(leaves))
        if entered:
            self.endings.add(result, functools.partial(leave, entered))
        return result

    async def run_in_thread(self, *leaves: Any) -> Any:
        """The same from the first step to the last, and the clean-up, in a thread."""
        result, entered = await in_thread(lambda: drive(self.go(leaves)))
        if entered:
            self.endings.add(result, functools.partial(leave_in_thread, entered))
        return result

    async def go(self, leaves: tuple[Any, ...]) -> tuple[Any, Entered]:
        """The result, and the generators that are to be gone back to."""
        slots = [*leaves, *[None] * self.blanks]
        entered: Entered = []
        if self.plain:
            return await run_steps(self.steps, slots, entered), entered
        try:
            return await self.layer(0, slots, entered), entered
        except BaseException as error:
            changed = await unwind(entered, error)
            if changed is error:
                raise
            raise changed from error

    async def layer(self, number: int, slots: Slots, entered: Entered) -> Response:
        """An around hook with all that is inside of it."""
        if number == len(self.around):
            return await self.core(slots, entered)
        hook = self.around[number]
        await run_steps(hook.steps, slots, entered)
        inner = functools.partial(self.layer, number + 1, slots, entered)
        slots[hook.special] = inner if hook.waits else lambda: drive(inner())
        result = hook.function(*[slots[i] for i in hook.inputs])
        return self.respond(await result if hook.waits else result)

    async def core(self, slots: Slots, entered: Entered) -> Response:
        """Before hooks and handler, what they raise made a response, and after hooks."""
        mark = len(entered)
        try:
            response = self.respond(await run_steps(self.steps, slots, entered))
        except Exception as error:
            inside = entered[mark:]
            del entered[mark:]
            changed = await unwind(inside, error)
            found = await self.answer(changed, slots) if self.answer is not None else None
            if found is None:
                if changed is error:
                    raise
                raise changed from error
            response = found
        for hook in self.after:
            response = await self.changed_by(hook, response, slots, entered)
        return response

    async def changed_by(self, hook: Hook, response: Response, slots: Slots, entered: Entered) -> Response:
        await run_steps(hook.steps, slots, entered)
        slots[hook.special] = response
        result = hook.function(*[slots[i] for i in hook.inputs])
        if hook.waits:
            result = await result
        return response if result is None else self.respond(result)


async def run_steps(steps: Sequence[Step], slots: Slots, entered: Entered) -> Any:
    """The value of the last, or of a before hook that has one."""
    value = None
    for step in steps:
        value = step.function(*[slots[i] for i in step.inputs])
        if step.kind == "await":
            value = await value
        elif step.kind != "value":
            value = await enter(value, entered)
        if step.answers and value is not None:
            return value
        slots[step.output] = value
    return value


async def enter(generator: Any, entered: Entered) -> Any:
    """The one value of a generator, which is gone back to after the response."""
    try:
        value = await anext(generator) if inspect.isasyncgen(generator) else next(generator)
    except (StopIteration, StopAsyncIteration):
        raise RuntimeError(f"the provider {generator.__name__}() has not yielded") from None
    entered.append(generator)
    return value


async def unwind(entered: Entered, error: BaseException) -> BaseException:
    """Throw an error into the generators, the last first; each may put another in its place, but none ends it."""
    while entered:
        generator = entered.pop()
        try:
            if inspect.isasyncgen(generator):
                await generator.athrow(error)
            else:
                generator.throw(error)
        except (StopIteration, StopAsyncIteration):
            continue
        except BaseException as raised:  # noqa: BLE001
            error = raised
        else:
            await close(generator)
    return error


async def leave(entered: Entered) -> None:
    """Go on in the generators, the last first; the response has been made, so what they raise is logged."""
    cancelled: BaseException | None = None
    while entered:
        generator = entered.pop()
        try:
            if inspect.isasyncgen(generator):
                await anext(generator)
            else:
                next(generator)
        except (StopIteration, StopAsyncIteration):
            continue
        except asyncio.CancelledError as error:
            cancelled = error  # the others clean up all the same
        except Exception:  # noqa: BLE001
            logger.exception("the provider %s() failed after the response", generator.__name__)
        else:
            await close(generator)
    if cancelled is not None:
        raise cancelled


async def leave_in_thread(entered: Entered) -> None:
    await in_thread(drive, leave(entered))


async def close(generator: Any) -> None:
    """One that has yielded a second time."""
    logger.error("the provider %s() has yielded twice", generator.__name__)
    with contextlib.suppress(RuntimeError):
        await generator.aclose() if inspect.isasyncgen(generator) else generator.close()


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits. RuntimeError for one that does."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return cast("T", stop.value)
    coroutine.close()
    raise RuntimeError("a function that is not async has waited")


# --- threads


async def in_thread(function: Callable[..., T], *arguments: Any) -> T:
    """Call it in the loop's executor, in the context of who calls; --timeout-request is for it."""
    if calls.watch is None:
        return await beside(function, *arguments)
    return await beside(calls.watch.run, function, *arguments)


async def beside(function: Callable[..., T], *arguments: Any) -> T:
    """The same, which may take as long as it likes."""
    call = functools.partial(contextvars.copy_context().run, function, *arguments)
    return await asyncio.get_running_loop().run_in_executor(None, call)


def threaded(function: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    """A function as one that is awaited, and runs in a thread."""

    async def run_in_thread(*arguments: Any) -> Any:
        return await in_thread(function, *arguments)

    return run_in_thread


def threaded_generator(function: Callable[..., Generator[Any, None, None]]) -> Callable[..., AsyncGenerator[Any, None]]:
    """A provider that yields, each of its halves in a thread."""

    async def yield_in_thread(*arguments: Any) -> AsyncGenerator[Any, None]:
        generator = await in_thread(function, *arguments)
        value = await in_thread(step, generator.__next__)
        if value is END:
            return
        try:
            yield value
        except BaseException as error:
            await in_thread(step, generator.throw, error)
            raise
        if await in_thread(step, generator.__next__) is not END:
            yield None  # a second time, which is complained of

    yield_in_thread.__name__ = getattr(function, "__name__", "provider")
    return yield_in_thread


END = object()


def step(move: Callable[..., Any], *arguments: Any) -> Any:
    """Give END for StopIteration, which cannot leave a thread's future."""
    try:
        return move(*arguments)
    except StopIteration:
        return END
