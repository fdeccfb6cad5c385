"""The workers of a supervisor: started, seated, replaced, sent away, buried."""

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from velocem import _core, children, notify, workers
from velocem.children import REPLACED, RETIRED, Child, Closable, Report, Reporter
from velocem.exceptions import StartError
from velocem.logging import logger
from velocem.privileges import Identity
from velocem.reuseport import Shares
from velocem.slots import Slot
from velocem.sockets import Listener
from velocem.types import RunningWorker
from velocem.workers import Post, Task

# So many workers may end without a word before the first has served.
FIRST_TRIES = 3

# What a worker gets after a change of a file.
RESTART_SECONDS = 2.0

# A limit of age is stretched by up to so much, so that workers that have started together do not all go together.
AGE_JITTER = 0.1

# How often it is looked how much memory workers have.
WEIGH_SECONDS = 1.0
PAGE = os.sysconf("SC_PAGESIZE")

# What other threads of a worker with a stuck one get to finish, when nothing else is said.
STUCK_SECONDS = 30.0

# Handshakes under way when a socket is taken out of the choice: see docs/processes.md.
LAST_CONNECTIONS_SECONDS = 2.0
LOOK_AGAIN_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Plan:
    """What the workers are to be."""

    name: str
    make: Callable[[list[Listener], Post], tuple[RunningWorker, str]]  # as Task has it
    count: int
    grace: float
    preloaded: bool = False
    reload: bool = False
    most_age: float = 0.0  # seconds; 0 in both: no limit
    most_memory: int = 0  # bytes
    identity: Identity = Identity(None, None, "")


class Crew:
    """Those that serve, are being started, or have still something to finish."""

    def __init__(self, plan: Plan, shares: Shares, announce: Callable[[str, int], None]) -> None:
        self.plan = plan
        self.shares = shares
        self.announce = announce  # called once, when everything serves: with what, and by how many
        self.slots: list[Slot] = []
        self.leaving: dict[Child, Slot] = {}
        self.to_replace: list[Slot] = []
        self.not_for_workers: list[Closable] = []
        self.weigh_at = 0.0
        self.board: _core.Board | None = None  # what the admin address shows
        self.ever_ready = False
        self.announced = False
        self.reloading = False
        self.stopping = False

    def children(self) -> list[Child]:
        return [*self.leaving, *(child for slot in self.slots for child in slot.children())]

    def seconds_to_next(self) -> float | None:
        times = [child.deadline for child in self.children()]
        for slot in self.slots:
            times += slot.times()
        if self.plan.most_memory and not self.stopping:
            times.append(self.weigh_at)
        due = [at for at in times if at is not None]
        return min(due) - time.monotonic() if due else None

    def turn(self) -> None:
        """Hear what the children say, see who has ended, do what is due."""
        for child in self.children():
            self.listen_to(child)
        for child in self.children():
            self.bury(child)
        self.meet_deadlines()
        self.drop_slots()
        self.start_due()
        self.shares.steer([slot.number for slot in self.slots if slot.serves])

    # How many.

    def wanted(self) -> int:
        return sum(slot.is_wanted for slot in self.slots)

    def resize(self, count: int) -> None:
        """The slots that are wanted are always the first ones."""
        while self.wanted() < count:
            if not self.add():
                return
        while self.wanted() > max(count, 1):
            slot = self.slots[self.wanted() - 1]
            slot.leave_at = time.monotonic() + LAST_CONNECTIONS_SECONDS

    def add(self) -> bool:
        if self.wanted() < len(self.slots):
            self.slots[self.wanted()].take_back()
            return True
        try:
            if len(self.slots) == self.shares.count:
                self.shares.grow()
        except OSError as error:
            logger.error("no socket for another worker: %s", error.strerror)
            return False
        self.slots.append(Slot(len(self.slots)))
        return True

    def drop_slots(self) -> None:
        """The last ones, once nobody is left in them: the kernel numbers sockets by their order."""
        while self.slots and self.is_empty(self.slots[-1]):
            self.slots.pop()
            self.shares.shrink()

    def is_empty(self, slot: Slot) -> bool:
        return slot.given_up and not slot.children() and slot not in self.leaving.values()

    # Coming.

    def start_due(self) -> None:
        now = time.monotonic()
        for slot in self.slots:
            if slot.is_due(now):
                self.start(slot)

    def start(self, slot: Slot) -> None:
        slot.start_at = None
        try:
            others = [*self.children(), *self.not_for_workers]
            slot.coming = children.fork(lambda reporter: self.work(slot, reporter), others)
        except OSError as error:
            logger.error("%s cannot be started: %s", slot, error.strerror)
            self.try_again(slot)

    def work(self, slot: Slot, reporter: Reporter) -> int:
        """In the child."""
        workers.title(str(slot), self.plan.name)
        self.shares.close_all_but(slot.number)
        plan, portion, board = self.plan, self.shares.of(slot.number), self.board
        post = Post(reporter.fd, board, board.enter(slot.number + 1) if board else 0)
        task = Task(plan.make, post, portion, plan.grace, plan.preloaded, plan.reload, plan.identity)
        return workers.work(task, reporter)

    def listen_to(self, child: Child) -> None:
        for report in child.read():
            slot = next((slot for slot in self.slots if child in slot.children()), None)
            if slot is not None:
                self.hear(slot, child, report)

    def hear(self, slot: Slot, child: Child, report: Report) -> None:
        match report.word:
            case "ready":
                self.seat(slot, child, report.text)
            case "failed":
                child.failure = report
            case "broken":
                sys.stderr.write(report.trace)
                logger.error("%s: Velocem waits until a file changes", report.text)
            case "changed":
                logger.info("%s has changed: Velocem starts again", report.text)
                self.restart()
            case "worn":
                self.wear_out(slot, "requests")
            case "leaving":
                logger.info("%s (pid %d) was told to go", slot, child.pid)
                self.succeed(slot, child, "signal")
            case "stuck":
                self.give_up_on(slot, child)
            case _:
                pass

    def seat(self, slot: Slot, child: Child, interface: str) -> None:
        """The new worker serves: the old one may go."""
        self.ever_ready = True
        why = slot.why
        old = slot.seat(child)
        if old is not None:
            self.count(why)
            self.leave(old, slot, REPLACED)
        if self.announced:
            logger.info("%s serves (pid %d)", slot, child.pid)
        elif all(slot.current or slot.failures for slot in self.slots):
            self.announced = True
            self.announce(interface, len(self.slots))
            self.resize(self.plan.count)  # of a server that is taken over there may have been more
        slot.wears_at = None
        if self.plan.most_age:
            slot.wears_at = time.monotonic() + self.plan.most_age * random.uniform(1, 1 + AGE_JITTER)  # noqa: S311
        self.replace_next()

    def count(self, cause: str) -> None:
        """A worker is replaced."""
        if self.board:
            self.board.replaced(cause)

    def start_failed(self, slot: Slot, child: Child, status: int) -> None:
        reason = child.failure.text if child.failure else f"it died: {describe(status)}"
        if child.failure:
            sys.stderr.write(child.failure.trace)
        if not self.ever_ready and (child.failure or slot.failures >= FIRST_TRIES):
            raise StartError(reason)
        logger.error("%s (pid %d) failed to start: %s", slot, child.pid, reason)
        # A reload is over; those that are worn have told so only once.
        self.to_replace = [other for other in self.to_replace if other.is_worn]
        if slot.current is not None:
            logger.error("%s of before goes on (pid %d)", slot, slot.current.pid)
        if slot.current is None or slot.is_worn:
            self.try_again(slot)

    def try_again(self, slot: Slot) -> None:
        if slot.given_up:
            return
        delay = slot.failed()
        if delay > 0:
            logger.warning("%s is started again in %g seconds", slot, delay)

    # Replaced.

    def replace_all(self) -> None:
        """One after the other; where nobody serves, at once."""
        self.reloading = True
        notify.reloading()
        for slot in self.slots:
            # What is being started may have read files of before.
            if slot.coming is not None:
                self.leave(slot.coming, slot, signal.SIGKILL)
                slot.coming = None
            if slot.current is None and slot.is_wanted:
                slot.start_at = time.monotonic()
        self.to_replace = [slot for slot in self.slots if slot.serves]
        self.replace_next()

    def replace_next(self) -> None:
        """Start the next replacement, unless one is being started."""
        if self.reloading and not self.to_replace and not any(slot.coming for slot in self.slots):
            self.reloading = False
            notify.ready()
        while self.to_replace and not any(slot.coming for slot in self.slots):
            slot = self.to_replace.pop(0)
            if slot.serves:
                self.start(slot)

    def wear_out(self, slot: Slot, why: str) -> None:
        slot.is_worn = True
        slot.why = why
        if slot.coming is None and slot not in self.to_replace:
            self.to_replace.append(slot)
            self.replace_next()

    def give_up_on(self, slot: Slot, child: Child) -> None:
        """A call of its application does not come back. It ends by itself, if it can."""
        logger.error("%s (pid %d) is stuck: it is replaced", slot, child.pid)
        if child is slot.current:
            self.succeed(slot, child, "timeout")
        child.deadline = time.monotonic() + (self.plan.grace or STUCK_SECONDS) + workers.CLEAN_UP_SECONDS

    def succeed(self, slot: Slot, child: Child, why: str) -> None:
        """The worker goes without our having told it: it listens no more, though it may have long to finish."""
        self.leaving[child] = slot
        self.count(why)
        slot.vacate()
        if slot.coming is None and not slot.given_up:
            slot.start_at = time.monotonic()

    def restart(self) -> None:
        """For a developer: what serves the code of before ends, then another begins."""
        for slot in self.slots:
            self.dismiss(slot, REPLACED, RESTART_SECONDS)
            slot.start_at = time.monotonic()

    # Going.

    def dismiss_all(self, number: signal.Signals) -> None:
        """The end."""
        self.stopping = True
        if self.board:
            self.board.drain()
        self.to_replace = []
        for slot in self.slots:
            slot.start_at = slot.leave_at = None
            self.dismiss(slot, number)

    def dismiss(self, slot: Slot, number: signal.Signals, grace: float | None = None) -> None:
        for child in slot.children():
            self.leave(child, slot, number, grace)
        slot.coming = slot.current = None

    def leave(self, child: Child, slot: Slot, number: signal.Signals, grace: float | None = None) -> None:
        """It ends, within its grace."""
        if grace is None and self.plan.grace:
            grace = self.plan.grace + workers.CLEAN_UP_SECONDS
        child.send(number, within=grace)
        self.leaving[child] = slot

    def meet_deadlines(self) -> None:
        now = time.monotonic()
        for child in self.children():
            if child.deadline is not None and child.deadline <= now:
                child.deadline = None
                os.kill(child.pid, signal.SIGKILL)
        for slot in self.slots:
            if slot.leave_at is not None and slot.leave_at <= now:
                self.give_up(slot)
            if slot.wears_at is not None and slot.wears_at <= now:
                slot.wears_at = None
                self.wear_out(slot, "age")
        if self.plan.most_memory and self.weigh_at <= now:
            self.weigh_at = now + WEIGH_SECONDS
            self.weigh()

    def weigh(self) -> None:
        """Those that have grown beyond the limit are replaced, one after the other."""
        for slot in self.slots:
            if slot.current and slot.serves and not slot.is_worn:
                size = resident(slot.current.pid)
                if size > self.plan.most_memory:
                    logger.info("%s (pid %d) has %d MiB: it is replaced", slot, slot.current.pid, size >> 20)
                    self.wear_out(slot, "memory")

    def give_up(self, slot: Slot) -> None:
        """Its worker empties the queue and goes. Has it gone before, another one has to come for that, if it can."""
        if slot.current is None and slot.failures < 2 and self.shares.is_waited_for(slot.number):
            slot.leave_at = time.monotonic() + LOOK_AGAIN_SECONDS
            slot.start_at = 0.0
            return
        slot.start_at = slot.leave_at = None
        slot.given_up = True
        self.dismiss(slot, RETIRED)

    def kill_all(self) -> None:
        """Nobody is left behind, whatever happened."""
        for child in self.children():
            os.kill(child.pid, signal.SIGKILL)
        for child in self.children():
            os.waitpid(child.pid, 0)
            child.close()

    # Gone.

    def bury(self, child: Child) -> None:
        status = child.reap()
        if status is None:
            return
        self.listen_to(child)
        child.close()
        if self.board:
            self.board.leave(child.pid)
        if child in self.leaving:
            self.left(self.leaving.pop(child), child, status)
            return
        slot = next(slot for slot in self.slots if child in slot.children())
        if child is slot.coming:
            slot.coming = None
            self.start_failed(slot, child, status)
            self.replace_next()
        else:
            self.died(slot, child, status)

    def left(self, slot: Slot, child: Child, status: int) -> None:
        if status < 0 and child.is_ready and not self.stopping:
            logger.warning("%s (pid %d) was ended by %s", slot, child.pid, describe(status))

    def died(self, slot: Slot, child: Child, status: int) -> None:
        """A worker that served is gone."""
        logger.error("%s (pid %d) died: %s", slot, child.pid, describe(status))
        self.count("crash")
        slot.vacate()
        if slot.coming is None:
            self.try_again(slot)


def resident(pid: int) -> int:
    """Bytes of a process that are in memory; 0 when it is gone (proc_pid_statm(5))."""
    with suppress(OSError), open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * PAGE
    return 0


def describe(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
