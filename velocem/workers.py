"""What a worker process does from its fork to its end."""

import atexit
import signal
import threading
import traceback
from collections.abc import Callable
from types import FrameType
from typing import NamedTuple

from velocem import _core, signals, sockets
from velocem._core import Board
from velocem.changes import Watch, behind
from velocem.children import AT_ONCE, CLOSING, REPLACED, RETIRED, Reporter, flush_streams
from velocem.exceptions import ApplicationError, ConfigError, StartError
from velocem.privileges import Identity
from velocem.reuseport import Portion
from velocem.signals import Actions, Handler
from velocem.sockets import Listener
from velocem.types import RunningWorker

# Beyond its grace, what a worker gets to clean up.
CLEAN_UP_SECONDS = 5.0


def title(role: str, name: str) -> None:
    """Name this process after its role; name is the application's."""
    _core.process_title(f"velocem: {role} ({name})")


class Post(NamedTuple):
    """Where a worker is heard of."""

    reports: int  # a descriptor
    board: Board | None = None
    slot: int = 0  # of the board


class Task(NamedTuple):
    """What a worker process is to do."""

    # Loads the application, and says what it speaks.
    make: Callable[[list[Listener], Post], tuple[RunningWorker, str]]
    post: Post
    portion: Portion
    grace: float
    keep_exit_functions: bool  # those of before the fork are the application's
    reload: bool
    identity: Identity


def work(task: Task, reporter: Reporter) -> int:
    """Load the application, serve it, and clean up after it. Returns the exit status."""
    if not task.keep_exit_functions:
        atexit._clear()  # pyright: ignore[reportPrivateUsage] # noqa: SLF001
    watch = Watch(lambda path: reporter.say("changed", path)) if task.reload else None
    try:
        become(task.identity)
        worker, interface = task.make(task.portion.own + task.portion.shared, task.post)
    except (StartError, ConfigError) as error:
        if watch:
            watch.add(behind(error))
        reporter.say("broken" if watch else "failed", str(error), trace_of(error))
        if watch:
            watch.wait()
        return 1
    if watch:
        watch.look()
    handler = signals.run(worker, actions(task, reporter), lambda: reporter.say("ready", interface))
    if not handler.killed:
        finish()
    return 0


def become(identity: Identity) -> None:
    """The kernel forgets with a change of user that this process ends with its parent."""
    if identity.uid is not None or identity.gid is not None:
        identity.drop()
        _core.die_with_parent(CLOSING)


def trace_of(error: Exception) -> str:
    """Where the application itself has failed, if it has."""
    return "".join(traceback.format_exception(error.__cause__)) if isinstance(error, ApplicationError) else ""


def actions(task: Task, reporter: Reporter) -> Actions:
    own, shared = sockets.retiring(task.portion.own), sockets.retiring(task.portion.shared)

    def leave(handler: Handler, frame: FrameType | None) -> None:
        """If it was not the supervisor who wants it, it learns here that somebody has to take over."""
        reporter.say("leaving")
        signals.stop_or_kill(handler, frame, ())

    def close(handler: Handler, _: object) -> None:
        """If the supervisor is gone, nobody else is left to put an end to it."""
        handler.stop(own + shared)
        if task.grace:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, task.grace + 2 * CLEAN_UP_SECONDS)

    return {
        REPLACED: leave,
        RETIRED: signals.stopping(own),
        CLOSING: close,
        AT_ONCE: Handler.kill,
        signal.SIGINT: signals.ignore,
        signal.SIGHUP: signals.ignore,
        signal.SIGUSR1: signals.reopen,
    }


def finish() -> None:
    """What the interpreter does at its end, as multiprocessing does it in its children."""
    threading._shutdown()  # type: ignore[attr-defined] # noqa: SLF001
    atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage] # noqa: SLF001
    flush_streams()
