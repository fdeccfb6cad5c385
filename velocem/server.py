"""Serving one application: run() in the main thread, Server in a thread of its own."""

import math
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple, Self, Unpack, cast

from velocem import __version__, admin, calls, config, forks, importer, metrics, notify, pidfile, signals, sockets
from velocem._core import Board, Worker
from velocem.config import Config, Options
from velocem.exceptions import ApplicationError, ConfigError, StartError
from velocem.logging import configure, logger, open_file, report
from velocem.sockets import Listener
from velocem.types import Application, ASGIApplication, RunningWorker, WSGIApplication

STDOUT, STDERR = 1, 2

# Of the environment of a process that takes over from another: see velocem.upgrade, which only supervisors import.
VARIABLE = "_VELOCEM_INHERITED"

# Has a thread print its stack. One of the real-time signals, from the end that the C library does not take from.
STACK_SIGNAL = signal.SIGRTMAX - 3

# What it gets for that before the supervisor's next line.
STACK_SECONDS = 0.2

# After a signal, an idle connection gets this long for a request that may be under way: see docs/processes.md.
DRAIN_IDLE_SECONDS = 1.0

# What a WebSocket's peer gets to answer a close.
WS_CLOSE_SECONDS = 10.0

# What the thread of a killed worker gets to end before the application counts as stuck.
KILL_SECONDS = 5.0


def run(app: Application | str, **options: Unpack[Options]) -> None:
    """Serve app until SIGINT or SIGTERM, as the command does; app may be an import string.

    Options are the command's, by name; the environment and pyproject.toml stand below them. What the user can put
    right is told in one line on standard error: SystemExit is then raised, with 2 for a bad option and 3 for a failed
    start. Server raises exceptions instead.
    """
    status = guard(lambda: serve(app, lambda: run_config(options)))
    if status:
        raise SystemExit(status)


def run_config(options: Options) -> Config:
    return config.build(*config.surroundings(), config.call(dict(options)))


def guard(start: Callable[[], None]) -> int:
    """The exit status of start(), after one line for what the user can put right."""
    try:
        start()
    except ApplicationError as error:
        traceback.print_exception(error.__cause__)
        return complain(error, 3)
    except StartError as error:
        return complain(error, 3)
    except ConfigError as error:
        return complain(error, 2)
    except KeyboardInterrupt:
        return 130  # before the worker ran: what a shell expects of an interrupted start
    return 0


def complain(error: Exception, status: int) -> int:
    print(f"velocem: error: {error}", file=sys.stderr)  # noqa: T201
    return status


def serve(app: Application | str, read: Callable[[], Config]) -> None:
    """Serve until a signal, in this process or in workers of it.

    read gives the configuration, once more at each reload.
    """
    settings = read()
    if settings.umask:
        os.umask(int(settings.umask, 8))
    configure(settings.log_level, settings.log_file)
    # A successor gets the file when its predecessor has gone.
    with pidfile.held("" if VARIABLE in os.environ else settings.pid):
        if settings.supervised:
            # Imported only by those who have several processes.
            from velocem.processes import supervise  # noqa: PLC0415

            supervise(app, settings, read)
        elif VARIABLE in os.environ:
            raise StartError("only a supervisor can take over from another one")
        else:
            serve_alone(app, settings)


class Role(NamedTuple):
    """Where a worker runs, for it to know."""

    multiprocess: bool = False
    drain_idle: float = 0.0
    requests_max: int = 0
    requests_fd: int = -1
    board: Board | None = None
    slot: int = 0


def serve_alone(app: Application | str, settings: Config) -> None:
    """Serve in this thread. Signals are handled if it is the main one; in any other nothing stops it."""
    with admin.served(settings.admin) as address:
        board = metrics.board() if address else None
        role = Role(drain_idle=DRAIN_IDLE_SECONDS, board=board, slot=board.enter(1) if board else 0)
        try:
            serve_in(app, settings, role)
        finally:
            if board:
                board.leave(os.getpid())


def serve_in(app: Application | str, settings: Config, role: Role) -> None:
    application, name = load(app, settings)
    listeners = listen(settings)
    try:
        worker = make_worker(application, listeners, settings, role)

        def say() -> None:
            announce(f"{name} ({importer.interface_of(application, settings.interface)})", listeners)

        if threading.current_thread() is threading.main_thread():
            signals.run(worker, signals.alone(sockets.retiring(listeners)), say)
        else:
            say()
            worker.run()
        logger.info("Velocem stopped")
    finally:
        sockets.close(listeners)


def announce(what: str, listeners: list[Listener]) -> None:
    urls = " and ".join(listener.url for listener in listeners)
    logger.info("Velocem %s serving %s on %s (pid %d)", __version__, what, urls, os.getpid())
    notify.ready()


def listen(settings: Config) -> list[Listener]:
    places = settings.places or sockets.default(settings.host, settings.port)
    return sockets.listen(places, backlog=settings.backlog, uds_mode=int(settings.uds_mode, 8))


def load(app: Application | str, settings: Config) -> tuple[Application, str]:
    """The application, and what to call it in the start-up line."""
    if isinstance(app, str):
        found = importer.load(app, app_dir=settings.app_dir, factory=settings.factory, interface=settings.interface)
        return found, app
    if settings.factory:
        raise ConfigError("factory: needs an import string")
    name = getattr(app, "__name__", type(app).__name__)
    return importer.check(app, str(name), settings.interface), str(name)


def make_worker(app: Application, listeners: list[Listener], settings: Config, role: Role) -> RunningWorker:
    """A worker by what the application speaks; one of ASGI has run its lifespan's start-up."""
    speaks = importer.interface_of(app, settings.interface)
    if speaks == "wsgi":
        return make_core(cast("WSGIApplication", app), listeners, settings, role)
    native = {"threads": settings.threads > 0, "development": settings.reload} if speaks == "native" else None
    return make_asgi_worker(cast("ASGIApplication", app), listeners, settings, role, native)


def make_asgi_worker(
    app: ASGIApplication,
    listeners: list[Listener],
    settings: Config,
    role: Role,
    native: dict[str, bool] | None = None,
) -> RunningWorker:
    # asyncio is imported only by those who serve ASGI: it takes longer than all the rest.
    from velocem.asgi import AsgiWorker  # noqa: PLC0415

    options = {
        "root_path": settings.root_path,
        "ws_max_size": settings.ws_max_size,
        "ws_max_queue": settings.ws_max_queue,
        "ws_ping_interval": settings.ws_ping_interval,
        "ws_ping_timeout": settings.ws_ping_timeout,
        "ws_close_timeout": WS_CLOSE_SECONDS,
        "ws_per_message_deflate": settings.ws_per_message_deflate,
    }

    def make(asgi: dict[str, Any]) -> Worker:
        return make_core(app, listeners, settings, role, asgi)

    grace = settings.timeout_graceful_shutdown or math.inf
    return AsgiWorker(
        app,
        make,
        lifespan=settings.lifespan,
        grace=grace,
        threads=settings.threads,
        native=native,
        options=options,
    )


def make_core(
    app: Application, listeners: list[Listener], settings: Config, role: Role, asgi: dict[str, Any] | None = None
) -> Worker:
    extra: dict[str, Any] = {} if asgi is None else {"asgi": asgi}
    worker = Worker(
        app,
        sockets=[(one.sock.fileno(), one.name, str(one.port), one.path, one.protocol) for one in listeners],
        log=report,
        limit_target=settings.limit_target,
        limit_head=settings.limit_head,
        limit_fields=settings.limit_fields,
        limit_field=settings.limit_field_size,
        limit_body=settings.limit_body,
        limit_trailers=settings.limit_trailers,
        limit_chunk_ext=settings.limit_chunk_ext,
        timeout_header=settings.timeout_header,
        timeout_body=settings.timeout_body,
        timeout_keep_alive=settings.timeout_keep_alive,
        timeout_write=settings.timeout_write,
        timeout_graceful=settings.timeout_graceful_shutdown,
        min_body_rate=settings.min_body_rate,
        min_write_rate=settings.min_write_rate,
        body_memory=settings.body_memory,
        server_header="velocem" if settings.server_header else None,
        forwarded_allow=settings.forwarded_allow_ips,
        forwarded_headers=settings.forwarded_headers,
        uwsgi_allow=settings.uwsgi_allow_from,
        proxy_allow=settings.proxy_allow_from,
        root_path=settings.root_path.encode().decode("latin-1"),
        date_header=settings.date_header,
        access_fd=access_fd(settings),
        access_format=settings.access_log_format,
        access_sample=settings.access_log_sample,
        queue_time=settings.queue_time,
        multiprocess=role.multiprocess,
        timeout_drain_idle=role.drain_idle,
        requests_max=role.requests_max,
        requests_fd=role.requests_fd,
        multithread=settings.threads > 1,
        threads=settings.threads if asgi is None else 0,
        start_thread=start_thread,
        limit_queue=settings.limit_queue,
        limit_concurrency=settings.limit_concurrency,
        board=role.board,
        slot=role.slot,
        limit_spool=settings.limit_spool,
        stream_body=settings.stream_body,
        **extra,
    )
    forks.workers.add(worker)
    if settings.timeout_request and role.requests_fd >= 0:
        watch(worker, settings, role.requests_fd, on_a_loop=asgi is not None)
    return worker


def watch(worker: Worker, settings: Config, reports: int, *, on_a_loop: bool) -> None:
    """Have the worker end when a call of the application does not come back; the thread it is in prints its stack.

    A loop that stands still may be kept from the interpreter by any other thread, so all print theirs.
    """
    import faulthandler  # noqa: PLC0415 - only for those who watch

    log_fd = STDERR if settings.log_file == "-" else open_file(settings.log_file)
    faulthandler.register(STACK_SIGNAL, file=log_fd, all_threads=on_a_loop, chain=False)
    worker.watch(settings.timeout_request, STACK_SIGNAL, log_fd, reports)
    if not on_a_loop:
        return

    def on_stuck(thread: int) -> None:
        """As the worker's own watchdog does with its threads."""
        os.write(log_fd, f"A call of the application does not come back (process {os.getpid()}):\n".encode())
        signal.pthread_kill(thread, STACK_SIGNAL)
        time.sleep(STACK_SECONDS)
        os.write(reports, b'["stuck", "", ""]\n')
        worker.stop()

    calls.watch = calls.Watch(settings.timeout_request, on_stuck)


def start_thread(work: Callable[[int], None], number: int) -> None:
    """A thread of the pool. Daemonic: one that hangs in the application does not keep the process."""
    threading.Thread(target=work, args=(number,), name=f"velocem-{number}", daemon=True).start()


def access_fd(settings: Config) -> int:
    if not settings.access_log:
        return -1
    return STDOUT if settings.access_logfile == "-" else open_file(settings.access_logfile)


class Server:
    """A server in a thread of its own, for tests and inside other programs; several may run at a time.

    ``with Server(app) as server: urlopen(server.url)``. Options are the command's, by name; port is 0 unless given, and
    neither the environment nor pyproject.toml is read. Leaving the block lets running requests finish, leaving it by an
    exception does not.
    """

    def __init__(self, app: Application | str, **options: Unpack[Options]) -> None:
        self.config = config.build(config.call({"port": 0}), config.call(dict(options)))
        if self.config.supervised:
            raise ConfigError("workers: a Server is one process; velocem.run() has several")
        self._app = app
        self._listeners: list[Listener] = []
        self._worker: RunningWorker | None = None
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        if "log_level" in options:
            configure(self.config.log_level)

    @property
    def url(self) -> str:
        """As ``http://127.0.0.1:43211``, without a slash at the end; the first, when there are several."""
        return self._first().url

    @property
    def urls(self) -> list[str]:
        """One for every socket; that of a Unix socket is ``unix:/path``."""
        return [listener.url for listener in self._listeners]

    @property
    def port(self) -> int:
        return self._first().port

    @property
    def host(self) -> str:
        """The address that is listened on, an IPv6 one in brackets."""
        return self._first().name

    def stats(self) -> dict[str, int]:
        """Counters since the start: accepted, requests, refused, aborted, open, log_lines_dropped."""
        return self._running().stats()

    def start(self) -> None:
        """Listen and serve. Raises ConfigError or StartError in the caller's thread."""
        if self._thread is not None:
            raise RuntimeError("a Server starts once")
        app, name = load(self._app, self.config)
        self._listeners = listen(self.config)
        made = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(app, made), name=f"velocem {name}", daemon=True)
        self._thread.start()
        made.wait()
        if self._worker is None:
            self._thread.join()
            sockets.close(self._listeners)
            self._listeners = []
            error, self._error = self._error, None
            raise error or RuntimeError("the worker was not made")

    def stop(self, *, at_once: bool = False) -> None:
        """Stop, and wait for it; at_once does not let running requests finish. Twice does no harm."""
        worker, thread = self._running(), self._thread
        if thread is None or not self._listeners:
            return
        grace = self.config.timeout_graceful_shutdown
        if not at_once:
            worker.stop(retire=sockets.retiring(self._listeners))
            thread.join(grace + KILL_SECONDS if grace else None)
        worker.kill()
        thread.join(KILL_SECONDS)
        sockets.close(self._listeners)
        self._listeners = []
        if thread.is_alive():
            raise RuntimeError("the application does not give control back: its thread is left behind")
        if self._error is not None:
            raise self._error

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop(at_once=error is not None)

    def _run(self, app: Application, made: threading.Event) -> None:
        # Made in the thread that it runs in: an asyncio loop belongs to one.
        try:
            try:
                self._worker = make_worker(app, self._listeners, self.config, Role())
            finally:
                made.set()
            self._worker.run()
        except BaseException as error:  # noqa: BLE001
            self._error = error

    def _running(self) -> RunningWorker:
        if self._worker is None:
            raise RuntimeError("the Server has not been started")
        return self._worker

    def _first(self) -> Listener:
        if not self._listeners:
            raise RuntimeError("the Server is not running")
        return self._listeners[0]
