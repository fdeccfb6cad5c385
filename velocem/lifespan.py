"""The lifespan of an ASGI application: told when to begin and when to end (ASGI lifespan 2.0)."""

import asyncio
from typing import Any, Literal

from velocem.exceptions import ApplicationError, StartError
from velocem.logging import logger
from velocem.types import ASGIApplication

Mode = Literal["auto", "on", "off"]


class Lifespan:
    """One task that runs the application with a lifespan scope, for as long as its worker serves."""

    def __init__(self, app: ASGIApplication, mode: Mode) -> None:
        self.state: dict[str, Any] = {}
        self._app = app
        self._mode = mode
        self._task: asyncio.Task[None] | None = None
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._answers: asyncio.Queue[dict[str, Any] | BaseException | None] = asyncio.Queue()

    @property
    def task(self) -> "asyncio.Task[None] | None":
        """Its task, while there is one."""
        return self._task

    async def startup(self) -> None:
        """Raise StartError or ApplicationError when the application says, or shows, that it cannot begin."""
        if self._mode == "off":
            return
        self._task = asyncio.get_running_loop().create_task(self._run(), name="lifespan")
        self._inbox.put_nowait({"type": "lifespan.startup"})
        answer = await self._answers.get()
        if isinstance(answer, dict):
            if answer["type"] == "lifespan.startup.failed":
                self._task = None
                raise StartError(f"the application failed to start: {answer.get('message', '')}".rstrip(": "))
        else:
            self._task = None
            self._unsupported(answer)

    def _unsupported(self, error: BaseException | None) -> None:
        """It raised, or returned, when it was asked: with auto it knows no lifespan, and serves without."""
        if self._mode == "on":
            raise ApplicationError("the application does not take part in its lifespan") from error
        if error is not None:
            logger.debug("no lifespan: the application raised %r for it", error)

    async def shutdown(self) -> None:
        """The application's last word; what goes wrong is logged, since there is nothing left to stop for it."""
        task, self._task = self._task, None
        if task is None or task.done():
            return
        self._inbox.put_nowait({"type": "lifespan.shutdown"})
        answer = await self._answers.get()
        if isinstance(answer, dict):
            if answer["type"] == "lifespan.shutdown.failed":
                logger.error("the application failed to shut down: %s", answer.get("message", ""))
            await asyncio.wait([task], timeout=1.0)
        elif answer is not None:
            logger.error("the application failed to shut down", exc_info=answer)

    async def _run(self) -> None:
        scope: dict[str, Any] = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        try:
            await self._app(scope, self._inbox.get, self._send)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - it is handed to who waits
            self._answers.put_nowait(error)
        else:
            self._answers.put_nowait(None)

    async def _send(self, message: Any) -> None:
        known = (
            "lifespan.startup.complete",
            "lifespan.startup.failed",
            "lifespan.shutdown.complete",
            "lifespan.shutdown.failed",
        )
        if message["type"] not in known:
            raise RuntimeError(f"unexpected ASGI message {message['type']!r}, expected one of {known}")
        self._answers.put_nowait(dict(message))
