"""Signals while a worker runs in the main thread: Ctrl-C stops at once, SIGTERM lets requests finish."""

import inspect
import signal
from collections.abc import Sequence
from types import FrameType

from velocem._core import Worker

WATCHED = (signal.SIGINT, signal.SIGTERM)


class Handler:
    """Turns signals into the worker's stop() and kill()."""

    def __init__(self, worker: Worker, retire: Sequence[int] = ()) -> None:
        self.worker = worker
        self.retire = retire
        self.seen: list[signal.Signals] = []
        self.killed = False
        self.frame: FrameType | None = None  # of run(), while the worker runs

    def __call__(self, number: int, frame: FrameType | None) -> None:
        # No logging here: the signal may have come in the middle of a write to the same stream.
        self.seen.append(signal.Signals(number))
        if number == signal.SIGTERM and len(self.seen) == 1:
            self.worker.stop(retire=self.retire)
            return
        self.killed = True
        self.worker.kill()
        # The loop itself runs no Python code: any frame above run() belongs to a call that would keep us waiting.
        if self.frame is not None and frame is not self.frame:
            raise KeyboardInterrupt

    def run(self) -> None:
        self.frame = inspect.currentframe()
        try:
            self.worker.run()
        except KeyboardInterrupt:
            if not self.killed:
                raise
        finally:
            self.frame = None


def run(worker: Worker, retire: Sequence[int] = ()) -> Handler:
    """Run the worker until a signal or its own end; handlers and wake-up descriptor are then as before.

    retire: the descriptors that nobody listens on after SIGTERM, as Worker.stop() takes them.
    """
    handler = Handler(worker, retire)
    old_handlers = {number: signal.signal(number, handler) for number in WATCHED}
    old_fd = signal.set_wakeup_fd(worker.wake_fd, warn_on_full_buffer=False)
    try:
        handler.run()
    finally:
        signal.set_wakeup_fd(old_fd)
        for number, old in old_handlers.items():
            # None is a handler that was not set from Python, and cannot be set again from it.
            signal.signal(number, signal.SIG_DFL if old is None else old)
    return handler
