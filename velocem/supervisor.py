"""The supervisor: keeps the listening sockets, and as many workers on them as are wanted."""

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

from velocem import children, workers
from velocem.children import AT_ONCE, CLOSING, REPLACED, RETIRED, Child, Report, Reporter
from velocem.exceptions import StartError
from velocem.inbox import Inbox
from velocem.logging import logger, reopen_files
from velocem.reuseport import Shares
from velocem.sockets import Listener
from velocem.types import RunningWorker
from velocem.workers import Task

# A worker that has served for so long has not failed in starting; the next one is not held up.
STEADY_SECONDS = 5.0

# Between starts that fail: at once, then twice as long each time.
FIRST_DELAY = 0.5
MOST_DELAY = 30.0

# So many workers may end without a word before the first has served.
FIRST_TRIES = 3

# What a worker gets that is to end at once; and after a change of a file.
AT_ONCE_SECONDS = 1.0
RESTART_SECONDS = 2.0

# Handshakes under way when a socket is taken out of the choice: see docs/processes.md.
LAST_CONNECTIONS_SECONDS = 2.0


class Plan(NamedTuple):
    """What is to be supervised."""

    name: str
    make: Callable[[list[Listener], int], RunningWorker]  # as Task has it
    workers: int
    grace: float
    shares: Shares
    announce: Callable[[int], None]  # the first time that everything serves
    preloaded: bool = False
    reload: bool = False


class Slot:
    """A place for one worker: who sits there, and who is being started to take the place."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.current: Child | None = None
        self.coming: Child | None = None
        self.start_at: float | None = 0.0
        self.failures = 0
        self.leave_at: float | None = None  # it is to be given up then
        self.given_up = False
        self.is_worn = False  # the current one is to be replaced, whatever happens to its successors

    def __str__(self) -> str:
        return f"worker {self.number + 1}"

    @property
    def is_wanted(self) -> bool:
        return self.leave_at is None and not self.given_up

    @property
    def serves(self) -> bool:
        return self.current is not None and self.is_wanted

    def delay(self) -> float:
        """How long to wait after so many failures."""
        return min(FIRST_DELAY * 2.0 ** (self.failures - 2), MOST_DELAY) if self.failures > 1 else 0.0


class Supervisor:
    """One object for one run."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.slots: list[Slot] = []
        self.leaving: dict[Child, Slot] = {}
        self.to_replace: list[Slot] = []
        self.ever_ready = False
        self.announced = False
        self.stopping = False

    # The loop.

    def run(self) -> None:
        """Until a signal ends it. StartError when no worker ever served."""
        with Inbox() as box:
            try:
                for _ in range(self.plan.workers):
                    self.add_slot()
                while not self.stopping or self.children():
                    self.turn(box)
            finally:
                self.kill_all()

    def turn(self, box: Inbox) -> None:
        self.start_workers()
        box.wait([child.reports for child in self.children() if not child.is_silent], self.seconds_to_next())
        for number in box.take():
            self.obey(number)
        for child in self.children():
            self.listen_to(child)
        for child in self.children():
            self.bury(child)
        self.meet_deadlines()
        self.shares_to_ready()

    def children(self) -> list[Child]:
        return [*self.leaving, *(child for slot in self.slots for child in (slot.current, slot.coming) if child)]

    def seconds_to_next(self) -> float | None:
        times = [child.deadline for child in self.children()]
        for slot in self.slots:
            times += [slot.leave_at, None if slot.coming else slot.start_at]
        due = [at for at in times if at is not None]
        return min(due) - time.monotonic() if due else None

    # Signals.

    def obey(self, number: signal.Signals) -> None:
        match number:
            case signal.SIGTERM | signal.SIGINT:
                self.stop(at_once=self.stopping)
            case signal.SIGQUIT:
                self.stop(at_once=True)
            case signal.SIGHUP:
                self.reload()
            case signal.SIGTTIN:
                self.add_worker()
            case signal.SIGTTOU:
                self.remove_worker()
            case signal.SIGUSR1:
                reopen_files()
                for child in self.children():
                    child.send(number)
            case signal.SIGUSR2 | signal.SIGWINCH:
                logger.warning("%s has no meaning in this version", number.name)
            case _:
                pass

    def stop(self, *, at_once: bool) -> None:
        """Let the workers finish what they have begun, or not even that."""
        if not self.stopping:
            logger.info("Velocem stops%s", "" if at_once else ", when running requests have finished")
        self.stopping = True
        self.to_replace = []
        for slot in self.slots:
            slot.start_at = None
            self.dismiss(slot, CLOSING)
        if at_once:
            for child in self.leaving:
                child.send(AT_ONCE, within=AT_ONCE_SECONDS)

    def reload(self) -> None:
        """Replace every worker, one after the other."""
        if self.stopping:
            return
        logger.info("Velocem reloads: %d workers are replaced, one by one", len(self.slots))
        self.to_replace = [slot for slot in self.slots if slot.is_wanted]
        for slot in self.to_replace:
            # What is being started may have read files of before.
            if slot.coming is not None:
                self.leave(slot.coming, slot, signal.SIGKILL)
                slot.coming = None
                slot.start_at = time.monotonic()
        self.replace_next()

    def add_worker(self) -> None:
        if self.stopping:
            return
        kept = next((slot for slot in self.slots if not slot.is_wanted), None)
        if kept is None:
            self.add_slot()
        else:
            kept.leave_at, kept.given_up = None, False
            kept.start_at = None if kept.current else time.monotonic()
        logger.info("Velocem goes on with %d workers", self.wanted())

    def remove_worker(self) -> None:
        slot = next((slot for slot in reversed(self.slots) if slot.is_wanted), None)
        if self.stopping or slot is None or self.wanted() == 1:
            return
        slot.leave_at = time.monotonic() + LAST_CONNECTIONS_SECONDS
        logger.info("Velocem goes on with %d workers", self.wanted())

    def wanted(self) -> int:
        return sum(slot.is_wanted for slot in self.slots)

    # Workers.

    def add_slot(self) -> None:
        try:
            number = len(self.slots)
            if number >= self.plan.shares.count:
                self.plan.shares.grow()
        except OSError as error:
            logger.error("no socket for another worker: %s", error.strerror)
            return
        self.slots.append(Slot(number))

    def start_workers(self) -> None:
        now = time.monotonic()
        for slot in self.slots:
            if slot.coming is None and slot.start_at is not None and slot.start_at <= now:
                self.start(slot)

    def start(self, slot: Slot) -> None:
        slot.start_at = None
        try:
            slot.coming = children.fork(lambda reporter: self.work(slot, reporter), self.children())
        except OSError as error:
            logger.error("%s cannot be started: %s", slot, error.strerror)
            self.failed(slot)

    def work(self, slot: Slot, reporter: Reporter) -> int:
        """In the child."""
        workers.title(str(slot), self.plan.name)
        shares = self.plan.shares
        shares.close_all_but(slot.number)
        plan, portion = self.plan, shares.of(slot.number)
        return workers.work(Task(plan.make, portion, plan.grace, plan.preloaded, plan.reload), reporter)

    def listen_to(self, child: Child) -> None:
        for report in child.read():
            slot = next((slot for slot in self.slots if child in (slot.current, slot.coming)), None)
            if slot is not None:
                self.hear(slot, child, report)

    def hear(self, slot: Slot, child: Child, report: Report) -> None:
        match report.word:
            case "ready":
                self.seat(slot, child)
            case "failed":
                child.failure = report
            case "broken":
                sys.stderr.write(report.trace)
                logger.error("%s: Velocem waits until a file changes", report.text)
            case "changed":
                logger.info("%s has changed: Velocem starts again", report.text)
                self.restart()
            case "worn":
                slot.is_worn = True
                self.to_replace.append(slot)
                self.replace_next()
            case _:
                pass

    def restart(self) -> None:
        """For a developer: what serves the code of before ends, then another begins."""
        for slot in self.slots:
            self.dismiss(slot, REPLACED, grace=RESTART_SECONDS)
            slot.start_at = time.monotonic()

    def seat(self, slot: Slot, child: Child) -> None:
        """The new worker serves: the old one may go."""
        child.ready_at = time.monotonic()
        self.ever_ready = True
        old, slot.current, slot.coming, slot.is_worn = slot.current, child, None, False
        if old is not None:
            self.leave(old, slot, REPLACED)
        if self.announced:
            logger.info("%s serves (pid %d)", slot, child.pid)
        self.announce()
        self.replace_next()

    def announce(self) -> None:
        if not self.announced and all(slot.current or slot.failures for slot in self.slots):
            self.announced = True
            self.plan.announce(len(self.slots))

    def replace_next(self) -> None:
        """Start the next replacement, unless one is being started."""
        while self.to_replace and not any(slot.coming for slot in self.slots):
            slot = self.to_replace.pop(0)
            if slot in self.slots and slot.is_wanted:
                self.start(slot)

    def leave(self, child: Child, slot: Slot, number: signal.Signals, grace: float | None = None) -> None:
        """It ends, within its grace."""
        if grace is None and self.plan.grace:
            grace = self.plan.grace + workers.CLEAN_UP_SECONDS
        child.send(number, within=grace)
        self.leaving[child] = slot

    def dismiss(self, slot: Slot, number: signal.Signals, grace: float | None = None) -> None:
        for child in (slot.coming, slot.current):
            if child is not None:
                self.leave(child, slot, number, grace)
        slot.coming = slot.current = None

    # Deaths.

    def bury(self, child: Child) -> None:
        status = child.reap()
        if status is None:
            return
        self.listen_to(child)
        child.close()
        if child in self.leaving:
            slot = self.leaving.pop(child)
            if status < 0 and not self.stopping and child.is_ready:
                logger.warning("%s (pid %d) was ended by %s", slot, child.pid, describe(status))
            return
        slot = next(slot for slot in self.slots if child in (slot.current, slot.coming))
        if child is slot.coming:
            slot.coming = None
            self.start_failed(slot, child, status)
        else:
            slot.current = None
            self.died(slot, child, status)

    def died(self, slot: Slot, child: Child, status: int) -> None:
        """A worker that served is gone."""
        logger.error("%s (pid %d) died: %s", slot, child.pid, describe(status))
        if child.ready_at is not None and time.monotonic() - child.ready_at > STEADY_SECONDS:
            slot.failures = 0
        if slot.coming is None:
            self.failed(slot)

    def start_failed(self, slot: Slot, child: Child, status: int) -> None:
        reason = child.failure.text if child.failure else f"it died: {describe(status)}"
        if child.failure:
            sys.stderr.write(child.failure.trace)
        if not self.ever_ready and (child.failure or slot.failures >= FIRST_TRIES):
            raise StartError(reason)
        logger.error("%s (pid %d) failed to start: %s", slot, child.pid, reason)
        self.to_replace = []
        if slot.current is not None:
            logger.error("%s of before goes on (pid %d)", slot, slot.current.pid)
        if slot.current is None or slot.is_worn:
            self.failed(slot)

    def failed(self, slot: Slot) -> None:
        slot.failures += 1
        slot.start_at = time.monotonic() + slot.delay()
        if slot.delay():
            logger.warning("%s is started again in %g seconds", slot, slot.delay())

    # Deadlines.

    def meet_deadlines(self) -> None:
        now = time.monotonic()
        for child in self.children():
            if child.deadline is not None and child.deadline <= now:
                child.deadline = None
                os.kill(child.pid, signal.SIGKILL)
        for slot in self.slots:
            if slot.leave_at is not None and slot.leave_at <= now:
                slot.start_at = slot.leave_at = None
                slot.given_up = True
                self.dismiss(slot, RETIRED)
        self.drop_slots()

    def drop_slots(self) -> None:
        """The last ones, once nobody is left in them: the kernel numbers sockets by their order."""
        while self.slots and self.is_empty(self.slots[-1]):
            self.slots.pop()
            self.plan.shares.shrink()

    def is_empty(self, slot: Slot) -> bool:
        return slot.given_up and not (slot.current or slot.coming or slot in self.leaving.values())

    def shares_to_ready(self) -> None:
        serving = [slot.number for slot in self.slots if slot.serves]
        if serving != self.plan.shares.chosen:
            self.plan.shares.steer(serving)

    def kill_all(self) -> None:
        for child in self.children():
            os.kill(child.pid, signal.SIGKILL)
        for child in self.children():
            os.waitpid(child.pid, 0)
            child.close()


def describe(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
