"""Signals while a worker runs in the main thread: what each of them means to it."""

import inspect
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from types import FrameType

from velocem.logging import reopen_files
from velocem.types import RunningWorker

Action = Callable[["Handler", FrameType | None], None]
Actions = Mapping[signal.Signals, Action]


class Handler:
    """Turns signals into the worker's stop() and kill()."""

    def __init__(self, worker: RunningWorker, actions: Actions) -> None:
        self.worker = worker
        self.actions = actions
        self.stopping = False
        self.killed = False
        self.pid = os.getpid()
        self.frame: FrameType | None = None  # of run(), while the worker runs

    def __call__(self, number: int, frame: FrameType | None) -> None:
        # No logging here: the signal may have come in the middle of a write to the same stream.
        if os.getpid() != self.pid:
            be_default(number)
            return
        self.actions[signal.Signals(number)](self, frame)

    def stop(self, retire: Sequence[int]) -> None:
        """Let requests finish; retire as Worker.stop() has it."""
        self.stopping = True
        self.worker.stop(retire=retire)

    def kill(self, frame: FrameType | None) -> None:
        """Stop at once; asked again, do not even wait for what an ASGI application does at its end."""
        again = self.stopping
        self.stopping = self.killed = True
        self.worker.kill()
        # The loop itself runs no Python code: any frame above run() belongs to a call that would keep us waiting.
        if self.frame is not None and frame is not self.frame and (again or not is_loop(frame)):
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


def is_loop(frame: FrameType | None) -> bool:
    """Whether it is asyncio's, which calls the loop in C: asyncio itself may not have been imported."""
    if frame is None or frame.f_code.co_name != "run_forever":
        return False
    return frame.f_globals.get("__name__") == "asyncio.base_events"


def stop_or_kill(handler: Handler, frame: FrameType | None, retire: Sequence[int]) -> None:
    """Let requests finish; asked a second time, do not."""
    if handler.stopping:
        handler.kill(frame)
    else:
        handler.stop(retire)


def stopping(retire: Sequence[int]) -> Action:
    return lambda handler, frame: stop_or_kill(handler, frame, retire)


def alone(retire: Sequence[int]) -> Actions:
    """Of a worker that is the whole server."""
    return {signal.SIGINT: Handler.kill, signal.SIGTERM: stopping(retire), signal.SIGUSR1: reopen}


def reopen(*_: object) -> None:
    """Whoever rotates logs has moved their files."""
    reopen_files()


def be_default(number: int) -> None:
    """In a process that the application has forked: the handlers came with it, and are not meant for it."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def ignore(*_: object) -> None:
    """A handler that does nothing. SIG_IGN would be handed on to programs that the application starts."""


def run(worker: RunningWorker, actions: Actions, announce: Callable[[], None]) -> Handler:
    """Run the worker until a signal or its own end; handlers and wake-up descriptor are then as before.

    announce is called when the signals mean what they should.
    """
    handler = Handler(worker, actions)
    old_handlers = {number: signal.signal(number, handler) for number in actions}
    # A copy: what the worker closes could be a file of the application's at once, and get the bytes.
    fd = os.dup(worker.wake_fd)
    old_fd = signal.set_wakeup_fd(fd, warn_on_full_buffer=False)
    try:
        announce()
        handler.run()
    finally:
        signal.set_wakeup_fd(old_fd)
        os.close(fd)
        for number, old in old_handlers.items():
            # None is a handler that was not set from Python, and cannot be set again from it.
            signal.signal(number, signal.SIG_DFL if old is None else old)
    return handler
