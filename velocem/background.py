"""Work after the response: a handler takes ``bg: Background`` and adds to it."""

import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any

from velocem.logging import logger
from velocem.pipeline import beside


class Background:
    """What is done when the response has been sent: ``bg.add(make_thumbnails, image.path)``.

    One after the other, in the order in which they were added; ``def`` in a thread, ``async def`` on the loop. What one
    raises is logged. When the handler fails nothing is done. A stopping worker waits for them.
    """

    def __init__(self) -> None:
        self._work: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = []

    def add(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> None:
        """Call it later, with these arguments."""
        self._work.append((function, arguments, named))

    async def run(self) -> None:
        """For the package: all of it; what is added meanwhile, too."""
        while self._work:
            function, arguments, named = self._work.pop(0)
            try:
                if inspect.iscoroutinefunction(function):
                    await function(*arguments, **named)
                else:
                    await beside(lambda: function(*arguments, **named))  # noqa: B023 - it is awaited at once
            except Exception:  # noqa: BLE001
                logger.exception("%s() failed after the response", getattr(function, "__name__", function))


async def background() -> AsyncIterator[Background]:
    """The provider of it."""
    work = Background()
    yield work
    await work.run()
