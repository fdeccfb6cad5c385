"""A worker that serves an ASGI application: an asyncio loop, the application's lifespan, and the C core on the loop."""

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

from velocem._core import Worker
from velocem.exceptions import ClientDisconnectedError
from velocem.lifespan import Lifespan, Mode
from velocem.logging import logger
from velocem.loop import new_event_loop
from velocem.types import ASGIApplication

Message = dict[str, Any]

# How often it is looked whether the last coroutines have ended.
LOOK_SECONDS = 0.02
# What cancelled tasks get to clean up in.
CANCEL_SECONDS = 1.0


def make_receive(
    next_message: Callable[[], Message | None], more: Callable[[], Awaitable[None]]
) -> Callable[[], Awaitable[Message]]:
    """receive() of one call: a message that is here, or the wait for it."""

    async def receive() -> Message:
        while (message := next_message()) is None:
            await more()
        return message

    return receive


async def await_it(awaitable: Awaitable[None]) -> None:
    """A coroutine of whatever the application returns."""
    await awaitable


class AsgiWorker:
    """The face of a Worker, for an application that runs on an asyncio loop of its own.

    Making it starts the application: StartError when its lifespan fails. make_core gets what a Worker takes for asgi.
    An application of the package's own interface is asked for its core, with the options in native.
    """

    def __init__(
        self,
        app: ASGIApplication,
        make_core: Callable[[dict[str, Any]], Worker],
        *,
        lifespan: Mode,
        grace: float,
        threads: int = 0,
        native: dict[str, bool] | None = None,
        options: dict[str, Any],
    ) -> None:
        self._grace = grace
        self._runner = asyncio.Runner(loop_factory=new_event_loop)
        self._killed = False
        self._over = False
        self._ending = False
        self._waiter: asyncio.Future[None] | None = None
        self._serving: asyncio.Task[None] | None = None
        self._wake = (-1, -1)
        try:
            self._loop = self._runner.get_loop()
            self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            self._loop.add_reader(self._wake[0], os.read, self._wake[0], 4096)
            if threads:
                executor = ThreadPoolExecutor(threads, thread_name_prefix="velocem")
                self._loop.set_default_executor(executor)
            self._lifespan = Lifespan(app, lifespan)
            self._runner.run(self._lifespan.startup())
            self._core = make_core(
                {
                    **options,
                    "native": None if native is None else cast("Any", app).__velocem_core__(self._loop, **native),
                    "loop": self._loop,
                    "make_receive": make_receive,
                    "await_it": await_it,
                    "gone_error": ClientDisconnectedError,
                    "state": self._lifespan.state if lifespan != "off" else None,
                    "on_over": self._on_over,
                }
            )
        except BaseException:
            self._runner.close()
            self._close_wake()
            raise

    @property
    def wake_fd(self) -> int:
        """For signal.set_wakeup_fd(). Not the core's, which is closed before the application has shut down."""
        return self._wake[1]

    def stats(self) -> dict[str, int]:
        """As of a Worker."""
        return self._core.stats()

    def stop(self, *, retire: Sequence[int] = ()) -> None:
        """From any thread: let requests finish, then run() returns."""
        self._core.stop(retire=retire)

    def kill(self) -> None:
        """From any thread: run() returns as soon as the loop is free."""
        self._killed = True
        self._core.kill()

    def run(self) -> None:
        """Serve in the calling thread until stopped."""
        try:
            self._run()
        except BaseException:
            self._end()
            raise
        finally:
            self._core.close()
            self._runner.close()
            self._close_wake()

    def _close_wake(self) -> None:
        ends, self._wake = self._wake, (-1, -1)
        for end in ends:
            if end >= 0:
                os.close(end)

    def _run(self) -> None:
        self._serving = self._loop.create_task(self._serve())
        try:
            self._loop.run_until_complete(self._serving)
        except MemoryError:
            self._go_on()

    def _go_on(self) -> None:
        """A MemoryError of asyncio's own ends the run, but what one request has no memory for does not end others."""
        task = self._serving
        while task is not None and not task.done():
            asyncio._set_running_loop(None)  # noqa: SLF001 - there may have been no memory for that either
            logger.error("no memory in the event loop, which goes on")
            with contextlib.suppress(MemoryError):
                self._loop.run_until_complete(task)
        if task is not None:
            task.result()

    def _end(self) -> None:
        """The application, or a signal, has broken out of the loop: what it has begun is ended all the same, once."""
        self.kill()
        if self._ending:
            return
        if self._serving is None or self._serving.done():  # it was in a step of it
            self._serving = self._loop.create_task(self._serve())
        self._loop.run_until_complete(self._serving)

    def _on_over(self) -> None:
        self._over = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _serve(self) -> None:
        self._waiter = self._loop.create_future()
        if not self._over:
            await self._waiter
        await self._end_calls()
        self._core.close()
        await asyncio.sleep(0)  # tasks that wait to be used end in the next round
        self._ending = True
        await self._lifespan.shutdown()

    async def _end_calls(self) -> None:
        """Connections are closed; coroutines that still run get the rest of the time, then they are cancelled."""
        deadline = time.monotonic() + (0.0 if self._killed else self._grace)
        while self._core.calls and time.monotonic() < deadline and not self._killed:  # noqa: ASYNC110 - C has no event
            await asyncio.sleep(LOOK_SECONDS)
        if not self._core.calls:
            return
        own = {asyncio.current_task(), self._lifespan.task}
        tasks = [task for task in asyncio.all_tasks() if task not in own]
        logger.warning("cancelling %d running tasks", len(tasks))
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CANCEL_SECONDS)
