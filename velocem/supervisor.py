"""The supervisor: what signals mean to a server of several workers."""

import os
import signal
from collections.abc import Callable

from velocem import notify
from velocem.children import AT_ONCE, CLOSING, REPLACED
from velocem.crew import Crew, Plan
from velocem.exceptions import ConfigError
from velocem.inbox import Inbox
from velocem.logging import logger, reopen_files
from velocem.reuseport import Shares
from velocem.upgrade import Predecessor, Successor

# What a worker gets that is to end at once.
AT_ONCE_SECONDS = 1.0


class Supervisor:
    """One object for one run."""

    def __init__(self, plan: Callable[[], Plan], shares: Shares, announce: Callable[[str, int], None]) -> None:
        self.successor: Successor | None = None
        self.upgrade: Callable[[], Successor] | None = None  # starts one; OSError
        self.on_handed_over: Callable[[], None] = do_nothing
        self.predecessor: Predecessor | None = None
        self.on_alone: Callable[[], None] = do_nothing
        self.handed_over = False
        self.plan = plan  # asked again at a reload; raises ConfigError
        self.crew = Crew(plan(), shares, announce)

    def run(self) -> None:
        """Until a signal ends it. StartError when no worker ever served."""
        crew = self.crew
        with Inbox() as box:
            crew.not_for_workers.append(box)
            try:
                crew.resize(max(crew.plan.count, crew.shares.count))
                crew.turn()
                while not crew.stopping or crew.children():
                    self.turn(box)
            finally:
                crew.kill_all()

    def turn(self, box: Inbox) -> None:
        talking = [child.reports for child in self.crew.children() if not child.is_silent]
        talking += [other.fileno() for other in (self.successor, self.predecessor) if other and not self.handed_over]
        box.wait(talking, self.crew.seconds_to_next())
        for number in box.take():
            self.obey(number)
        self.look_at_successor()
        self.look_at_predecessor()
        self.crew.turn()
        if os.getpid() == 1:
            reap_strangers({child.pid for child in self.crew.children()})

    def obey(self, number: signal.Signals) -> None:
        match number:
            case signal.SIGTERM | signal.SIGINT:
                self.stop(at_once=self.crew.stopping)
            case signal.SIGQUIT:
                self.stop(at_once=True)
            case signal.SIGUSR1:
                reopen_files()
                for child in self.crew.children():
                    child.send(number)
            case signal.SIGHUP | signal.SIGTTIN | signal.SIGTTOU if not self.crew.stopping:
                self.change(number)
            case signal.SIGUSR2 if not self.crew.stopping:
                self.begin_upgrade()
            case signal.SIGWINCH:
                logger.warning("%s has no meaning in this version", number.name)
            case _:
                pass

    def stop(self, *, at_once: bool) -> None:
        """Let the workers finish what they have begun, or not even that."""
        if not self.crew.stopping:
            logger.info("Velocem stops%s", "" if at_once else ", when running requests have finished")
        notify.stopping()
        if self.successor is not None and not self.handed_over:
            self.successor.process.terminate()
        self.crew.dismiss_all(CLOSING)
        if at_once:
            for child in self.crew.leaving:
                child.send(AT_ONCE, within=AT_ONCE_SECONDS)

    def begin_upgrade(self) -> None:
        """Start the command once more, with our sockets; when that serves, go."""
        if self.upgrade is None or os.getpid() == 1:
            logger.error("Velocem does not upgrade: a container ends with its first process")
        elif self.successor is not None or self.predecessor is not None:
            logger.error("Velocem does not upgrade: another upgrade is not over")
        else:
            try:
                self.successor = self.upgrade()
                self.crew.not_for_workers.append(self.successor)
                logger.info("Velocem upgrades: process %d is to take over", self.successor.process.pid)
            except OSError as error:
                logger.error("Velocem does not upgrade: %s", error.strerror)

    def look_at_successor(self) -> None:
        successor = self.successor
        if successor is None or self.handed_over:
            return
        if successor.serves():
            self.hand_over(successor)
        elif successor.has_failed():
            logger.error("Velocem goes on: process %d, which was to take over, has failed", successor.process.pid)
            self.crew.not_for_workers.remove(successor)
            successor.close()
            self.successor = None

    def hand_over(self, successor: Successor) -> None:
        logger.info("Velocem has handed over to process %d", successor.process.pid)
        self.handed_over = True
        successor.let_go()  # it ends with this process, when all that is ours has been given back
        notify.send(f"MAINPID={successor.process.pid}")
        self.on_handed_over()
        self.crew.dismiss_all(REPLACED)

    def look_at_predecessor(self) -> None:
        if self.predecessor is None or not self.predecessor.has_ended():
            return
        self.crew.not_for_workers.remove(self.predecessor)
        self.predecessor.close()
        self.predecessor = None
        self.on_alone()

    def change(self, number: signal.Signals) -> None:
        if number == signal.SIGHUP:
            self.reload()
            return
        self.crew.resize(self.crew.wanted() + (1 if number == signal.SIGTTIN else -1))
        logger.info("Velocem goes on with %d workers", self.crew.wanted())

    def reload(self) -> None:
        """Replace every worker, by such as the configuration has them now."""
        try:
            plan = self.plan()
        except ConfigError as error:
            logger.error("Velocem does not reload: %s", error)
            return
        if plan.count != self.crew.plan.count:
            self.crew.resize(plan.count)
        self.crew.plan = plan
        logger.info("Velocem reloads: %d workers are replaced, one by one", self.crew.wanted())
        self.crew.replace_all()


def do_nothing() -> None:
    """Nobody wants to know."""


def reap_strangers(own: set[int]) -> None:
    """The first process of a container inherits the orphans of all others."""
    try:
        while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if found.si_pid in own:
                return
            os.waitpid(found.si_pid, os.WNOHANG)
    except ChildProcessError:
        pass
