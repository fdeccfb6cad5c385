"""The signals of a supervisor: received one by one between its other work, instead of in the middle of it."""

import os
import select
import signal
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType
from typing import Self

from velocem import signals

NUMBERS = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
    signal.SIGCHLD,
)


class Inbox:
    """While a with block runs, signals come here; handlers and wake-up descriptor are then as before."""

    def __enter__(self) -> Self:
        self.read_fd, self.write_fd = os.pipe()
        os.set_blocking(self.read_fd, False)
        os.set_blocking(self.write_fd, False)
        # The interpreter writes the number of each signal that has a handler to this descriptor.
        self.old_fd = signal.set_wakeup_fd(self.write_fd, warn_on_full_buffer=False)
        self.old_handlers = {number: signal.signal(number, signals.ignore) for number in NUMBERS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for number, old in self.old_handlers.items():
            # None is a handler that was not set from Python, and cannot be set again from it.
            signal.signal(number, signal.SIG_DFL if old is None else old)
        signal.set_wakeup_fd(self.old_fd)
        self.close()

    def close(self) -> None:
        """In a child this is all there is to do."""
        os.close(self.read_fd)
        os.close(self.write_fd)

    def wait(self, others: Iterable[int], seconds: float | None) -> None:
        """Until a signal comes, one of the other descriptors has something to read, or the time is over."""
        poll = select.poll()
        for fd in (self.read_fd, *others):
            poll.register(fd, select.POLLIN)
        poll.poll(None if seconds is None else max(0.0, seconds) * 1000)

    def take(self) -> list[signal.Signals]:
        """Those that have come, in their order."""
        numbers = b""
        with suppress(BlockingIOError):
            while data := os.read(self.read_fd, 4096):
                numbers += data
        return [signal.Signals(number) for number in numbers if number in NUMBERS]
