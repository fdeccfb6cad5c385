"""Worker processes as their supervisor sees them: forked, heard through a pipe, signalled, reaped."""

import fcntl
import json
import os
import select
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NamedTuple, NoReturn, Protocol

from velocem import _core, inbox, signals

# What a child is told to do, each with ending as its default: while the child is still starting, that is what it means.
REPLACED = signal.SIGTERM  # finish what has begun: another worker goes on with its sockets
RETIRED = signal.SIGUSR2  # the same, and serve what waits on the sockets that nobody else has
CLOSING = signal.SIGIO  # the whole server ends; the kernel sends it when the supervisor is gone
AT_ONCE = signal.SIGQUIT


class Report(NamedTuple):
    """What a child says.

    "ready", with what the application speaks; "failed", with the reason and where the application raised it, before it
    ends; "broken", the same, when it waits for a file to change; "changed", with the file; "worn", when it has served
    its number of requests; "leaving", when it was told to go.
    """

    word: str
    text: str
    trace: str


# The core writes a newline.
WORN = Report("worn", "", "")


class Reporter:
    """The child's end of the pipe."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.lock = threading.RLock()  # a long report is written in parts; signal handlers report too

    def say(self, word: str, text: str = "", trace: str = "") -> None:
        line = json.dumps([word, text, trace]).encode() + b"\n"
        with suppress(BrokenPipeError), self.lock:  # the supervisor is gone: the leash will tell
            while line:
                line = line[os.write(self.fd, line) :]


class Child:
    """A process that was forked and not reaped yet, so that its number is surely its own."""

    def __init__(self, pid: int, reports: int, leash: int) -> None:
        self.pid = pid
        self.reports = reports
        self.leash = leash  # never written to: the kernel closes it with the supervisor, and the child is told
        self.ready_at: float | None = None
        self.deadline: float | None = None  # when it is killed if it has not ended
        self.failure: Report | None = None  # why it could not start, if it has said so
        self.is_silent = False  # nothing more will come through the pipe
        self.rest = b""

    @property
    def is_ready(self) -> bool:
        return self.ready_at is not None

    def read(self) -> list[Report]:
        """Whole reports that have come."""
        with suppress(BlockingIOError):
            while data := os.read(self.reports, 65536):
                self.rest += data
            self.is_silent = True
        *lines, self.rest = self.rest.split(b"\n")
        return [report for report in map(parse, lines) if report is not None]

    def send(self, number: signal.Signals, *, within: float | None = None) -> None:
        """Signal it, and kill it if it has not ended in this many seconds."""
        os.kill(self.pid, number)
        if within is not None:
            self.deadline = time.monotonic() + within

    def reap(self) -> int | None:
        """How it ended, as os.waitstatus_to_exitcode() has it (a signal is negative); None while it runs."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None

    def close(self) -> None:
        os.close(self.reports)
        os.close(self.leash)


def parse(line: bytes) -> Report | None:
    """An application may write anything to a descriptor that it does not know; a supervisor survives that."""
    if not line:
        return WORN
    with suppress(ValueError, TypeError):
        word, text, trace = json.loads(line)
        return Report(str(word), str(text), str(trace))
    return None


class Pipes(NamedTuple):
    """Between a child and its supervisor: the ends of both."""

    reports: int
    reports_end: int  # the child's
    leash_end: int  # the child's
    leash: int


class Closable(Protocol):
    """Something that a child lets go of."""

    def close(self) -> None: ...


def fork(work: Callable[[Reporter], int], others: Iterable[Closable]) -> Child:
    """A child that does the work and ends with the status it returns. It closes what belongs to others."""
    pipes = Pipes(*os.pipe(), *os.pipe())
    os.set_blocking(pipes.reports, False)
    flush_streams()
    parent = os.getpid()
    # Nothing may reach the child while it has the handlers and the wake-up descriptor of its parent.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = fork_quietly()
        if pid == 0:
            live(lambda: begin(pipes, parent, others, mask), lambda: work(Reporter(pipes.reports_end)))
    except OSError:
        os.close(pipes.reports)
        os.close(pipes.leash)
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(pipes.reports_end)
        os.close(pipes.leash_end)
    return Child(pid, pipes.reports, pipes.leash)


def fork_quietly() -> int:
    """The supervisor says itself, once, what Python warns of at every fork of a process with threads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def flush_streams() -> None:
    """What is buffered would be written twice."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):
            stream.flush()


# In the child.


def live(begin: Callable[[], None], work: Callable[[], int]) -> NoReturn:
    """From fork to end. Nothing of the parent's stack is ever returned to."""
    status = 1
    try:
        begin()
        status = work()
    except BaseException:  # noqa: BLE001
        with suppress(BaseException):
            traceback.print_exc()
    finally:
        flush_streams()
        os._exit(status)


def begin(pipes: Pipes, parent: int, others: Iterable[Closable], mask: set[int | signal.Signals]) -> None:
    """Be a process of its own, with signals as in a new one."""
    reset_signals()
    for other in others:
        other.close()
    os.close(pipes.reports)
    os.close(pipes.leash)
    die_with(parent, pipes.leash_end)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def reset_signals() -> None:
    """As they are in a new process; what a preloaded application has set for others stays."""
    signal.set_wakeup_fd(-1)
    for number in inbox.NUMBERS:
        signal.signal(number, signal.SIG_DFL)
    # The supervisor hears of these from the terminal too, and says what is to be done.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signals.ignore)
    signal.signal(signal.SIGUSR1, signals.reopen)


def die_with(parent: int, leash: int) -> None:
    """Get CLOSING when the supervisor is gone, however that came; end here if it is gone already.

    The kernel tells of the end of the parent itself, but forgets to after a change of user; the pipe also tells then,
    but not while a process of a preloaded application holds its other end.
    """
    _core.die_with_parent(CLOSING)
    fcntl.fcntl(leash, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(leash, fcntl.F_SETSIG, CLOSING)
    fcntl.fcntl(leash, fcntl.F_SETFL, fcntl.fcntl(leash, fcntl.F_GETFL) | os.O_ASYNC)
    if os.getppid() != parent or is_let_go(leash):
        os._exit(0)


def is_let_go(leash: int) -> bool:
    poll = select.poll()
    poll.register(leash, 0)
    return bool(poll.poll(0))
