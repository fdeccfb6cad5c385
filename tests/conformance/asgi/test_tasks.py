"""Coroutines run in real tasks, each in its own context, also where a task is used again."""

import asyncio
import contextvars
import gc
import sys
import weakref
from typing import Any

import anyio
import pytest
from support.asgi import App, answer, http_only
from support.client import Client, request

from velocem import Server
from velocem.types import Receive, Scope, Send

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


def bodies(app: App, count: int = 5) -> list[bytes]:
    """What requests that follow each other on one connection get."""
    with Server(http_only(app)) as server, Client(server) as client:
        return [client.ask(request("GET", f"/{number}")).body for number in range(count)]


def test_there_is_a_current_task_from_the_first_step_on() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        assert isinstance(task, asyncio.Task)
        await answer(send, b"yes")

    assert bodies(app) == [b"yes"] * 5


def test_each_request_has_a_context_of_its_own() -> None:
    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        before = variable.get()
        variable.set(scope["path"])
        if scope["path"] == "/2":
            await asyncio.sleep(0)
        assert variable.get() == scope["path"]
        await answer(send, before.encode())

    assert bodies(app) == [b"unset"] * 5


def test_time_outs_and_task_groups_work_in_the_first_step() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await asyncio.sleep(10)
        async with asyncio.TaskGroup() as group:
            child = group.create_task(asyncio.sleep(0, b"child"))
        await answer(send, await child)

    assert bodies(app) == [b"child"] * 5


def test_cancel_scopes_of_anyio_work() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        with anyio.move_on_after(0.01) as scope:
            await anyio.sleep(10)
        assert scope.cancelled_caught
        await answer(send, b"moved on")

    assert bodies(app) == [b"moved on"] * 5


def test_cancelling_oneself_ends_this_request_alone() -> None:
    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["path"] == "/1":
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(0)
        await answer(send, b"fine")

    with Server(http_only(app)) as server:
        for path, status in [("/0", 200), ("/1", 500), ("/2", 200), ("/3", 200)]:
            with Client(server) as client:
                assert client.ask(request("GET", path)).status == status


CHANGES: dict[str, Any] = {
    "cancel": lambda task: task.cancel() and None,
    "name": lambda task: task.set_name("mine"),
    "callback": lambda task: task.add_done_callback(lambda _: None),
    "attribute": lambda task: setattr(task, "mine", "mine"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_done_to_a_task_is_not_seen_by_the_next_request(change: str) -> None:
    names: list[str] = []

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        assert task is not None
        names.append(task.get_name())
        assert task.cancelling() == 0
        assert not hasattr(task, "mine")
        if scope["path"] == "/1":
            await answer(send, b"changed")
            CHANGES[change](task)
            return
        await answer(send, b"fine")

    assert bodies(app) == [b"fine", b"changed", b"fine", b"fine", b"fine"]
    assert "mine" not in names


def test_a_task_that_is_kept_ends_and_is_not_used_again() -> None:
    kept: list[asyncio.Task[Any]] = []
    ended: list[bool] = []

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        assert task is not None
        assert task not in kept
        if scope["path"] in ("/0", "/1"):
            kept.append(task)
        else:
            ended.extend(old.done() for old in kept)
        await answer(send, b"x")

    bodies(app)
    assert ended
    assert all(ended)


IN_DEVELOPMENT = pytest.mark.skipif(sys.flags.dev_mode, reason="a task keeps where it was made: none is used again")


@IN_DEVELOPMENT
def test_a_task_that_nobody_touches_is_used_again() -> None:
    """Told by the numbers that names are made of: a new task takes the next one."""
    names: list[str] = []

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["path"] in ("/0", "/4"):
            task = asyncio.current_task()
            assert task is not None
            names.append(task.get_name())
        await answer(send, b"x")

    bodies(app)
    first, after = (int(name.rpartition("-")[2]) for name in names)
    assert after - first <= 2


@IN_DEVELOPMENT
def test_a_task_that_waited_is_used_again_too() -> None:
    names: list[str] = []

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["path"] in ("/0", "/8"):
            task = asyncio.current_task()
            assert task is not None
            names.append(task.get_name())
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        await answer(send, b"x")

    bodies(app, 9)
    first, after = (int(name.rpartition("-")[2]) for name in names)
    assert after - first <= 2


async def is_cancelled_in_a_sleep(task: asyncio.Task[Any]) -> list[object]:
    task.cancel("why")
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError as error:
        return [error.args, task.cancelling(), task.uncancel()]
    return ["not cancelled"]


async def is_cancelled_by_a_callback_in_a_sleep(task: asyncio.Task[Any]) -> list[object]:
    asyncio.get_running_loop().call_soon(task.cancel, "why")
    try:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    except asyncio.CancelledError as error:
        return [error.args, task.cancelling(), task.uncancel()]
    return ["not cancelled"]


async def takes_its_turn(_task: asyncio.Task[Any]) -> list[object]:
    told: list[object] = []
    loop = asyncio.get_running_loop()
    loop.call_soon(told.append, "before")
    for turn in range(3):
        loop.call_soon(told.append, turn)
        await asyncio.sleep(0)
        loop.call_soon(lambda: told.append(asyncio.current_task()))
        told.append("own")
    return told.copy()


async def is_cancelled_while_another_task_works(task: asyncio.Task[Any]) -> list[object]:
    inner = asyncio.create_task(asyncio.sleep(10))
    task.cancel("why")
    try:
        await inner
    except asyncio.CancelledError as error:
        return [error.args, inner.cancelled(), task.cancelling(), task.uncancel()]
    return ["not cancelled"]


async def is_cancelled_behind_a_shield(task: asyncio.Task[Any]) -> list[object]:
    inner = asyncio.create_task(asyncio.sleep(0.01, "done"))
    task.cancel()
    try:
        await asyncio.shield(inner)
    except asyncio.CancelledError as error:
        return [error.args, task.uncancel(), inner.cancelled(), await inner]
    return ["not cancelled"]


async def is_cancelled_in_a_group(task: asyncio.Task[Any]) -> list[object]:
    inner: list[asyncio.Task[Any]] = []
    try:
        async with asyncio.TaskGroup() as group:
            inner.append(group.create_task(asyncio.sleep(10)))
            task.cancel()
    except asyncio.CancelledError as error:
        return [error.args, inner[0].cancelled(), task.cancelling(), task.uncancel()]
    return ["not cancelled"]


async def takes_its_cancelling_back(task: asyncio.Task[Any]) -> list[object]:
    task.cancel()
    task.cancel()
    told: list[object] = [task.cancelling(), task.uncancel(), task.uncancel(), task.cancelling()]
    try:
        await asyncio.sleep(0.01)
    except asyncio.CancelledError:
        return [*told, "cancelled"]
    return [*told, "not cancelled"]


async def has_no_time(_task: asyncio.Task[Any]) -> list[object]:
    try:
        async with asyncio.timeout(0):
            await asyncio.sleep(10)
    except TimeoutError as error:
        return [error.args, type(error.__cause__)]
    return ["in time"]


async def waits_for_what_is_done(task: asyncio.Task[Any]) -> list[object]:
    future = asyncio.get_running_loop().create_future()
    future.set_result("result")
    task.cancel()
    got = await future
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        return [got, task.uncancel()]
    return [got, "not cancelled"]


async def yields_what_nobody_can_wait_for(_task: asyncio.Task[Any]) -> list[object]:
    class Odd:
        def __await__(self) -> Any:
            yield "a string"

    try:
        await Odd()
    except RuntimeError as error:
        return ["a string" in str(error)]
    return ["no error"]


PROBES = [
    is_cancelled_in_a_sleep, is_cancelled_by_a_callback_in_a_sleep, takes_its_turn,
    is_cancelled_while_another_task_works, is_cancelled_behind_a_shield, is_cancelled_in_a_group,
    takes_its_cancelling_back, has_no_time, waits_for_what_is_done, yields_what_nobody_can_wait_for,
]  # fmt: skip


@pytest.mark.parametrize("probe", PROBES)
def test_a_first_step_sees_what_it_would_see_in_asyncio(probe: Any) -> None:
    async def expected() -> list[object]:
        task = asyncio.current_task()
        assert task is not None
        result: list[object] = await probe(task)
        return result

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await answer(send, repr(await expected()).encode())

    assert set(bodies(app)) == {repr(asyncio.run(expected())).encode()}


def test_done_callbacks_are_called() -> None:
    called: list[object] = []

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        assert task is not None
        if scope["path"] == "/0":
            task.add_done_callback(called.append)
        await answer(send, b"x")

    bodies(app)
    assert len(called) == 1


def test_weak_references_to_a_task_keep_it_from_being_used_again() -> None:
    data: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        seen = data.get(task, "nothing")
        data[task] = scope["path"]
        await answer(send, seen.encode())

    assert bodies(app) == [b"nothing"] * 5


def test_all_tasks_shows_no_task_that_waits_to_be_used() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await asyncio.sleep(0)
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        names = sorted(task.get_coro().__qualname__ for task in others)  # type: ignore[union-attr]
        await answer(send, ",".join(names).encode())

    assert set(bodies(app)) == {b"AsgiWorker._serve"}


def test_a_request_that_waits_is_among_all_tasks() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await asyncio.sleep(0)
        await answer(send, b"yes" if asyncio.current_task() in asyncio.all_tasks() else b"no")

    assert bodies(app) == [b"yes"] * 5


def test_any_awaitable_may_be_returned() -> None:
    class Endpoint:
        def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
            self.send = send

        def __await__(self) -> Any:
            return answer(self.send, b"endpoint").__await__()

    with Server(http_only_class(Endpoint), interface="asgi") as server, Client(server) as client:
        assert [client.ask(request()).body for _ in range(3)] == [b"endpoint"] * 3


def http_only_class(kind: Any) -> Any:
    def app(scope: Scope, receive: Receive, send: Send) -> Any:
        if scope["type"] == "lifespan":
            raise NotImplementedError
        return kind(scope, receive, send)

    return app


def test_a_debugged_loop_serves_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        asyncio.get_running_loop().set_debug(True)
        assert asyncio.current_task() is not None
        await answer(send, b"debugged")

    assert bodies(app) == [b"debugged"] * 5


def test_calls_leave_nothing_behind() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if int(scope["path"][1:]) % 3 == 0:
            await asyncio.sleep(0)
        await answer(send, b"x")

    with Server(http_only(app)) as server, Client(server) as client:
        for number in range(100):
            client.ask(request("GET", f"/{number}"))
        gc.collect()
        before = len(gc.get_objects())
        for number in range(300):
            client.ask(request("GET", f"/{number}"))
        gc.collect()
        assert len(gc.get_objects()) - before < 50
