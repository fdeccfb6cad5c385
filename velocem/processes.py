"""Serving in worker processes: what they are made of, and what a reload changes."""

import gc
import random
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from velocem import admin, importer, metrics, pidfile, privileges, sockets, upgrade, workers
from velocem.admin import Address
from velocem.config import Config
from velocem.crew import Plan
from velocem.exceptions import ConfigError, StartError
from velocem.logging import logger, open_file
from velocem.privileges import Identity
from velocem.reuseport import Shares
from velocem.server import DRAIN_IDLE_SECONDS, Role, announce, listen, load, make_worker
from velocem.sockets import Listener
from velocem.supervisor import Supervisor
from velocem.types import Application, RunningWorker
from velocem.upgrade import Bequest
from velocem.workers import Post

# Options of a supervisor that a reload does not change.
FIXED = (
    "app",
    "places",
    "host",
    "port",
    "uds_mode",
    "backlog",
    "accept",
    "preload",
    "reload",
    "pid",
    "log_file",
    "user",
    "group",
    "umask",
    "admin",
)


def supervise(app: Application | str, settings: Config, read: Callable[[], Config]) -> None:
    """Serve in workers, which this process watches over."""
    check_supervised(app, settings)
    target, name = (app, app) if isinstance(app, str) else load(app, settings)
    if settings.preload:
        target, _ = load(app, settings)
        gc.collect()
        gc.freeze()  # what no process collects stays in pages that all share
    warn_of_threads()
    folder = upgrade.here()
    bequest = upgrade.take()
    identity = identify(settings)
    listeners = bequest.listeners if bequest else listen(settings)
    first = [settings]

    def plan() -> Plan:
        now = first.pop() if first else read_again(settings, read)
        make = partial(make_one_of_several, target, now)
        return Plan(
            name,
            make,
            max(now.workers, 1),
            now.timeout_graceful_shutdown,
            now.preload,
            now.reload,
            now.max_worker_age,
            now.max_worker_memory,
            identity,
        )

    def say(interface: str, count: int) -> None:
        announce(f"{name} ({interface}, {count} worker{'s' * (count > 1)})", listeners)
        if bequest:
            take_over(bequest, address)

    passed_on = False
    try:
        workers.title("supervisor", name)
        with ExitStack() as stack:
            address = stack.enter_context(admin.served(settings.admin, bequest.admin if bequest else None))
            shared, twins = settings.accept == "shared", bequest.twins if bequest else None
            shares = Shares(listeners, settings.backlog, shared=shared, twins=twins)
            stack.callback(shares.close)
            supervisor = Supervisor(plan, shares, say)
            if address:
                supervisor.crew.board = metrics.board()
                supervisor.crew.not_for_workers.append(address)
                supervisor.on_handed_over = address.pass_on
            if bequest:
                succeed(supervisor, bequest, settings, stack)
            supervisor.upgrade = lambda: upgrade.start(
                spell_places(settings), listeners, shares.twins(), address.listeners if address else [], folder
            )
            supervisor.run()
            passed_on = supervisor.handed_over
        logger.info("Velocem stopped")
    finally:
        sockets.close(listeners, passed_on=passed_on)


def take_over(bequest: Bequest, address: Address | None) -> None:
    """Everything serves: the old server may go."""
    if address and bequest.admin:
        address.core.start()
    bequest.ready()


def succeed(supervisor: Supervisor, bequest: Bequest, settings: Config, stack: ExitStack) -> None:
    """Until the old server has gone, its pid file is its own."""
    supervisor.predecessor = upgrade.Predecessor(bequest.link)
    supervisor.crew.not_for_workers.append(supervisor.predecessor)
    if bequest.places != spell_places(settings):
        logger.warning("Velocem listens where the old server did: only a new start changes addresses")

    def take_pid_file() -> None:
        try:
            stack.enter_context(pidfile.held(settings.pid))
        except StartError as error:
            logger.error("%s", error)

    supervisor.on_alone = take_pid_file


def spell_places(settings: Config) -> str:
    return " ".join(map(str, settings.places or (settings.host, settings.port)))


def make_one_of_several(
    target: Application | str, settings: Config, listeners: list[Listener], post: Post
) -> tuple[RunningWorker, str]:
    """In a worker process: the worker, and what its application speaks."""
    application = load(target, settings)[0] if isinstance(target, str) else target
    # One worker is not alone while another comes in its place; with --reload it goes first.
    several = settings.workers > 1 or not settings.reload
    role = Role(several, DRAIN_IDLE_SECONDS, requests_until_replaced(settings), *post)
    return make_worker(application, listeners, settings, role), importer.interface_of(application, settings.interface)


def read_again(before: Config, read: Callable[[], Config]) -> Config:
    """The configuration for new workers, but for what the supervisor itself rests on."""
    now = read()
    kept = {name: getattr(before, name) for name in FIXED}
    changed = [name.replace("_", "-") for name in FIXED if getattr(now, name) != kept[name]]
    if changed:
        logger.warning("only a new start changes: %s", ", ".join(changed))
    return replace(now, **kept)


def identify(settings: Config) -> Identity:
    """Whom workers are to be, who then own the files of logs that they are to open again."""
    identity = privileges.find(settings.user, settings.group)
    if identity.uid is not None or identity.gid is not None:
        for path in (settings.log_file, settings.access_logfile if settings.access_log else "-"):
            if path != "-":
                identity.own(open_file(path))
    return identity


def warn_of_threads() -> None:
    others = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    if others:
        logger.warning("threads do not live on in workers: %s", ", ".join(others))


def requests_until_replaced(settings: Config) -> int:
    jitter = random.randint(0, settings.max_requests_jitter)  # noqa: S311
    return settings.max_requests + jitter if settings.max_requests else 0


def check_supervised(app: Application | str, settings: Config) -> None:
    if threading.current_thread() is not threading.main_thread():
        raise ConfigError("workers: a supervisor lives by signals, which only the main thread gets")
    if isinstance(app, str):
        importer.call_arguments(importer.parse(app))
    elif settings.reload:
        raise ConfigError("reload: needs an import string, to import the application again")
    if settings.reload and settings.preload:
        raise ConfigError("reload: what is imported before the fork (preload) is not imported again")
