"""In development: who has blocked the event loop, told by name."""

import asyncio
import inspect
import sys
import threading
import time
from collections.abc import Mapping
from types import CodeType, FrameType

from velocem.groups import Endpoint
from velocem.logging import logger
from velocem.signature import name_of

# How often it is looked, and from when on it is told: a tenth of a second is what people begin to feel.
PERIOD = 0.02
PATIENCE = 0.1

Codes = Mapping[CodeType, Endpoint]


class Watchdog:
    """A thread that asks the loop for a sign of life; while there is none, it looks what the loop's thread is at."""

    def __init__(self, loop: asyncio.AbstractEventLoop, codes: Codes, patience: float = PATIENCE) -> None:
        self.loop = loop
        self.codes = codes
        self.patience = patience
        self.ident = threading.get_ident()  # made on the loop's thread
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run, name="velocem watchdog", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """From any thread."""
        self.over.set()

    def run(self) -> None:
        while not self.over.wait(PERIOD):
            alive = threading.Event()
            try:
                self.loop.call_soon_threadsafe(alive.set)
            except RuntimeError:  # it is closed
                return
            begun = time.monotonic()
            if not alive.wait(self.patience):
                self.watch(alive, begun)

    def watch(self, alive: threading.Event, begun: float) -> None:
        """Until the loop goes on; what is told is where it was when it had been looked at last."""
        seen: tuple[Endpoint, str] | None = None
        while not alive.wait(PERIOD) and not self.over.is_set():
            seen = self.look() or seen
        if seen is not None:
            logger.warning("%s", tell(*seen, time.monotonic() - begun))

    def look(self) -> tuple[Endpoint, str] | None:
        """The handler that is on the thread's stack, and where it is; None where there is none."""
        frame: FrameType | None = sys._current_frames().get(self.ident)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        inner = frame
        while frame is not None:
            if frame.f_code in self.codes and inner is not None:
                return self.codes[frame.f_code], place_in(inner, frame)
            frame = frame.f_back
        return None


def place_in(inner: FrameType, handler: FrameType) -> str:
    """The package that somebody else's code is in, or the line of the handler's own."""
    package = str(inner.f_globals.get("__name__", "")).partition(".")[0]
    own = str(handler.f_globals.get("__name__", "")).partition(".")[0]
    if package and package != own:
        return package
    return f"{inner.f_code.co_filename}:{inner.f_lineno}"


def tell(endpoint: Endpoint, place: str, seconds: float) -> str:
    """One line, with what to do about it."""
    waits = inspect.iscoroutinefunction(endpoint.function)
    mend = "await something that does not block, or make it def with blocking=True" if waits else "add blocking=True"
    name = name_of(endpoint.function)
    return f"{endpoint} blocked the worker {seconds * 1000:.0f} ms in {place} ({name}()); {mend}"


def codes_of(endpoints: list[Endpoint]) -> Codes:
    """By the code of a handler, its route."""
    found = {getattr(one.function, "__code__", None): one for one in endpoints}
    return {code: one for code, one in found.items() if code is not None}
