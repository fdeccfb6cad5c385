# The face of the C extension.
import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextvars import Context
from os import PathLike
from socket import socket
from ssl import SSLContext
from typing import Any, Final, Self, TypeVar, TypeVarTuple, final

from _typeshed import FileDescriptorLike

from velocem.types import Application, Reply

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

def process_title(title: str, /) -> None:
    """What ps and top show for this process; cut to the place there is."""

def die_with_parent(signal: int, /) -> None:
    """Get the signal when the thread that forked this process ends; 0 takes it back."""

def fan_out(
    receivers: dict[Any, _T],
    data: bytes,
    text: bool,
    events: bytes | None,
    most: int,
    /,
) -> list[_T]:
    """Send one message to the keys, which this server sends by; events is what those of streams get.

    Gives the values of those that have more than ``most`` bytes waiting: their WebSockets are closed with 1013.
    """

@final
class Board:
    """Memory that the processes of a server share."""

    def __new__(cls) -> Self: ...
    def enter(self, number: int, /) -> int:
        """A slot for this process, as the worker of this number, which is from 1."""

    def leave(self, pid: int, /) -> None:
        """The process is gone: its slot is free."""

    def replaced(self, cause: str, /) -> None:
        """A worker is replaced; counts why, by a name of src/admin/cause.def."""

    def drain(self) -> None:
        """The server is on its way out, and not ready any more."""

    def metric(self, kind: int, text: str, name_len: int, about: str, bounds: Sequence[float], /) -> Metric:
        """The series of this text, a name with labels; made when it is not there."""

@final
class Metric:
    """A number that all processes of a server write to."""

    @property
    def value(self) -> float:
        """Of all processes; of a histogram, the sum of what was observed."""

    def inc(self, amount: float = 1, /) -> None: ...
    def dec(self, amount: float = 1, /) -> None: ...
    def set(self, value: float, /) -> None: ...
    def observe(self, value: float, /) -> None: ...

@final
class Admin:
    """The admin address, served by a thread that does not need the interpreter."""

    def __new__(
        cls,
        *,
        board: Board,
        sockets: Sequence[tuple[int, str, str] | tuple[int, str, str, str]],
        version: bytes,
        page: bytes,
    ) -> Self: ...
    def start(self) -> None:
        """Serve from now on."""

    def close(self) -> None:
        """End it, and wait for that."""

    def forked(self) -> None:
        """In a child process, which has no such thread: let go of descriptors."""

@final
class Worker:
    """One loop with its listening sockets and one application."""

    def __init__(
        self,
        app: Application,
        *,
        # Descriptor of a listening, non-blocking socket; SERVER_NAME; SERVER_PORT; the path of a Unix socket or "";
        # "http" or "uwsgi". Descriptors stay the caller's.
        sockets: Sequence[tuple[int, str, str] | tuple[int, str, str, str] | tuple[int, str, str, str, str]],
        # Logging level, message, exception.
        log: Callable[[int, str, BaseException | None], None],
        limit_target: int = ...,
        limit_head: int = ...,
        limit_fields: int = ...,
        limit_field: int = ...,
        limit_body: int = ...,
        limit_trailers: int = ...,
        limit_chunk_ext: int = ...,
        # Seconds; 0 is none.
        timeout_header: float = ...,
        timeout_body: float = ...,
        timeout_keep_alive: float = ...,
        timeout_write: float = ...,
        timeout_graceful: float = ...,
        # Bytes per second; 0 is none.
        min_body_rate: int = ...,
        min_write_rate: int = ...,
        # Bytes of a request body held in memory before a temporary file.
        body_memory: int = ...,
        server_header: str | None = ...,
        # Peers that are believed: addresses, networks, "unix", "*"; and the names of the fields that are.
        forwarded_allow: Sequence[str] = (),
        forwarded_headers: Sequence[str] = ...,
        # Peers that may speak uwsgi, in the same words.
        uwsgi_allow: Sequence[str] = (),
        # Peers whose connections begin with a PROXY header, too.
        proxy_allow: Sequence[str] = (),
        # SCRIPT_NAME as PEP 3333 has it: bytes as latin-1.
        root_path: str = "",
        date_header: bool = ...,
        # -1: no access log.
        access_fd: int = ...,
        # common, combined, json, or a text with atoms; the share of requests that have a line.
        access_format: str = ...,
        access_sample: float = 1.0,
        # environ and scope have velocem.queue_time, in seconds.
        queue_time: bool = False,
        # Seconds for the next request of an idle connection, after stop().
        timeout_drain_idle: float = 0,
        # When so many requests have come, a newline is written to the descriptor, once; 0: never.
        requests_max: int = 0,
        requests_fd: int = -1,
        multithread: bool = False,
        multiprocess: bool = False,
        # 0: the application is called on the loop. Else start_thread(work, number) starts each of so many threads,
        # in which work(number) is to be called.
        threads: int = 0,
        start_thread: Callable[[Callable[[int], None], int], object] | None = None,
        # Requests that wait for a thread; one more is answered by 503.
        limit_queue: int = ...,
        # Bytes of a response that go into a file when its client is slow and others wait for its thread; 0: none.
        limit_spool: int = ...,
        # With threads: a request goes to one with its head, wsgi.input then waits for the body.
        stream_body: bool = False,
        # Where to count, so that others can look there; None: nowhere.
        board: Board | None = None,
        slot: int = 0,
        # Requests that the application may have at a time; one more is answered by 503. 0: any number.
        limit_concurrency: int = 0,
        # Of an ASGI worker: its loop and the functions and options that velocem.asgi gives.
        asgi: dict[str, Any] = ...,
    ) -> None: ...
    def run(self) -> None:
        """Serve in the calling thread until stopped."""

    def work(self, number: int, /) -> None:
        """In a thread that start_thread started: call the application until run() ends."""

    def stop(self, *, retire: Sequence[int] = ()) -> None:
        """From any thread: no new connections, the next answer of each is its last, then run() returns.

        Nobody is to go on listening on the sockets in retire: connections that the kernel has made on them are served
        first, then they refuse new ones, in every process that holds them. The queue of any other socket is left alone.
        """

    def kill(self) -> None:
        """From any thread: run() returns as soon as the application gives control back."""

    def close(self) -> None:
        """Of an ASGI worker: every connection is closed. Coroutines that run go on."""

    @property
    def calls(self) -> int:
        """Coroutines of an ASGI application that are not over."""

    @property
    def wake_fd(self) -> int:
        """The descriptor for signal.set_wakeup_fd()."""

    def watch(self, seconds: float, signal: int, log_fd: int, reports_fd: int, /) -> None:
        """In the thread that will run it: from run() on, a call of the application that takes longer ends the process.

        First its thread gets the signal, whose handler is to print the stack, then reports_fd a line of its own. Other
        threads that work get as long as after stop(); when there are none the end comes at once.
        """

    def forked(self, is_child: bool, /) -> None:
        """The process has been forked, and is now the parent or the child."""

    def stats(self) -> dict[str, int]:
        """Counters since the start: accepted, requests, refused, aborted, open, log_lines_dropped."""

@final
class Match:
    """What a router found."""

    @property
    def target(self) -> Any:
        """What was added for the path; None when it has not the method, or is to be redirected."""

    @property
    def params(self) -> dict[str, Any]:
        """The values of its parameters, by name."""

    @property
    def route(self) -> Any:
        """The Route, or None when the path has not the method."""

    @property
    def allow(self) -> tuple[str, ...]:
        """The path's methods, when it has not the one asked for."""

    @property
    def rest(self) -> str:
        """Of a mount: what is left of the path, from a slash on, or empty."""

    @property
    def slash(self) -> bool:
        """With a slash more, or less, at its end the path would be the route's."""

class RouterBase:
    """The C part of velocem.Router."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self: ...
    def lookup(
        self, method: str, path: str | bytes, host: str | None = None, *, decoded: bool = False
    ) -> tuple[Any, dict[str, Any]]:
        """The target and the parameters. NotFound, MethodNotAllowed, BadPath."""

    def match(self, method: str, path: str | bytes, host: str | None = None, *, decoded: bool = False) -> Match | None:
        """What a request leads to; None when nothing has the path. BadPath."""

    def allowed(self, path: str | bytes, host: str | None = None, *, decoded: bool = False) -> tuple[str, ...]:
        """The methods that the path has; "*" when one route takes any."""

    def freeze(self) -> None:
        """Make now what the first question would make."""

    def _candidates(self, path: str | bytes, host: str | None = None, *, decoded: bool = False) -> list[int]:
        """Numbers of all routes that have the path, whatever the method; of a router that keeps all."""

    def _visited(self, method: str, path: str | bytes, host: str | None = None, *, decoded: bool = False) -> int:
        """How many nodes and edges were looked at."""

    @classmethod
    def _errors(cls, not_found: type[Exception], not_allowed: type[Exception], bad_path: type[Exception], /) -> None:
        """What routers raise from now on."""

    def _add(
        self,
        methods: tuple[str, ...] | None,
        pattern: str,
        host: str,
        mount: bool,
        target: Any,
        about: Any,
        names: tuple[str | None, ...] | None = None,
        /,
    ) -> int:
        """The route's number, or -1 - the number of the one that is there already."""

    def _options(self, ignore_slash: bool, keep_all: bool, redirect: bool, head: bool, decoded: bool, /) -> None: ...
    @staticmethod
    def _pieces(pattern: str, /) -> list[str | tuple[str, str, str]]:
        """Literals, and name, converter and arguments of parameters. ValueError."""

class BaseEventLoop:
    """The C part of velocem.EventLoop."""

    # Made when it is first asked for: it imports asyncio.

    _closed: bool
    _stopping: bool
    _debug: bool
    _thread_id: int | None
    slow_callback_duration: float

    def __new__(cls, *args: Any, **kwargs: Any) -> Self: ...
    def call_soon(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle: ...
    def call_soon_threadsafe(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle: ...
    def call_later(
        self,
        delay: float,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle: ...
    def call_at(
        self, when: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.TimerHandle: ...
    def time(self) -> float: ...
    def get_debug(self) -> bool: ...
    def is_running(self) -> bool: ...
    def is_closed(self) -> bool: ...
    def stop(self) -> None: ...
    def add_reader(self, fd: FileDescriptorLike, callback: Callable[[*_Ts], Any], *args: *_Ts) -> None: ...
    def add_writer(self, fd: FileDescriptorLike, callback: Callable[[*_Ts], Any], *args: *_Ts) -> None: ...
    def remove_reader(self, fd: FileDescriptorLike) -> bool: ...
    def remove_writer(self, fd: FileDescriptorLike) -> bool: ...
    def _add_reader(self, fd: FileDescriptorLike, callback: Callable[[*_Ts], Any], *args: *_Ts) -> asyncio.Handle: ...
    def _add_writer(self, fd: FileDescriptorLike, callback: Callable[[*_Ts], Any], *args: *_Ts) -> asyncio.Handle: ...
    def _remove_reader(self, fd: FileDescriptorLike) -> bool: ...
    def _remove_writer(self, fd: FileDescriptorLike) -> bool: ...
    def _ensure_fd_no_transport(self, fd: FileDescriptorLike, /) -> None: ...
    def _watched(self, fd: FileDescriptorLike, /) -> int:
        """EVENT_READ and EVENT_WRITE of what add_reader and add_writer watch."""

    def _make_socket_transport(
        self,
        sock: socket,
        protocol: asyncio.BaseProtocol,
        waiter: asyncio.Future[None] | None = None,
        *,
        extra: dict[str, Any] | None = None,
        server: Any = None,
    ) -> asyncio.Transport: ...
    def _start_serving(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        sock: socket,
        sslcontext: SSLContext | None = None,
        server: Any = None,
        backlog: int = 100,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> None: ...
    # Each gives NotImplemented for what it leaves to the library: TLS, debug mode, a descriptor that others watch.
    def _recv_now(self, sock: socket, n: int, /) -> Any:
        """The bytes, or a future of them."""

    def _recv_into_now(self, sock: socket, buffer: Any, /) -> Any:
        """How many came, or a future of it."""

    def _sendall_now(self, sock: socket, data: Any, /) -> Any:
        """None, or a future."""

    def _accept_now(self, sock: socket, /) -> Any:
        """Socket and address, or a future of them."""

    def _connect_now(self, sock: socket, address: Any, /) -> Any:
        """None, or a future. The address is one that needs no look-up."""

    def _sock_leave(self, sock: socket, future: asyncio.Future[Any], /) -> None:
        """Nobody waits for such a future any more."""

    def _flush(self) -> None:
        """Send what this thread's running callback has written."""

    def _run_once(self) -> None:
        """Rounds until the loop is stopping; one round of a loop that does not run."""

    def _check_closed(self) -> None: ...
    def _add_callback(self, handle: asyncio.Handle, /) -> None: ...
    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle, /) -> None: ...
    def _write_to_self(self) -> None: ...
    def _close_core(self) -> None:
        """The last step of close()."""

    def _after_fork(self) -> None:
        """In a forked child: gives the loop a poller of its own."""

def learn_tasks(step: object | None, wakeup: object | None, /) -> None:
    """What a task gives to call_soon for a step and for its waking, or None where it is not as expected."""

MISSING: Final[object]
"""In place of a default: a value is required."""

@final
class Plan:
    """Where the arguments of one route's handler come from, and what becomes of its result."""

    def __new__(
        cls,
        call: Callable[..., Any],
        # Source, name, conversion, flags, default; velocem/signature.py has the numbers.
        leaves: tuple[tuple[int, str, int | Callable[[Any], Any] | None, int, object], ...],
        *,
        is_async: bool = False,
        status: int = 200,
        encode: Callable[[Any], bytes] | None = None,
        content_type: bytes | None = None,
        # Bytes; -1: the server's limit.
        body_limit: int = -1,
        # Media types in lower case; none: any.
        body_types: tuple[bytes, ...] = (),
        about: Any = None,
        # The ASGI face takes the request, and reads its body as it comes.
        handed: bool = False,
    ) -> Self: ...
    @property
    def call(self) -> Callable[..., Any]:
        """What is called with the leaves."""

    @property
    def about(self) -> Any:
        """Whatever was given for it."""

    @property
    def is_async(self) -> bool:
        """The call gives a coroutine."""

    @property
    def handed(self) -> bool:
        """A form of several parts is read as it comes."""

    @property
    def wants_body(self) -> bool:
        """One of the leaves is of the body."""

    @property
    def status(self) -> int:
        """Of an answer that says none."""

    @property
    def encode(self) -> Callable[[Any], bytes] | None:
        """Makes bytes of a result."""

    @property
    def content_type(self) -> bytes | None:
        """Of what encode makes."""

    @property
    def leaves(self) -> tuple[tuple[int, str, int | Callable[[Any], Any] | None, int, object], ...]:
        """As they were given."""

    @property
    def body_limit(self) -> int:
        """Bytes; -1: that of the core, or the server's."""

    @property
    def body_types(self) -> tuple[bytes, ...]:
        """Media types of bodies; none: any."""

class RequestBase:
    """A request, as C has it. Made by a Core."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str:
        """Decoded; what is not UTF-8 as os.fsdecode() has it."""

    @property
    def raw_path(self) -> bytes: ...
    @property
    def query_string(self) -> bytes: ...
    @property
    def http_version(self) -> str: ...
    @property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """Names in lower case."""

    @property
    def client(self) -> tuple[str, int] | None: ...
    @property
    def server(self) -> tuple[str, int | None] | None: ...
    @property
    def scheme(self) -> str: ...
    @property
    def root_path(self) -> str: ...
    @property
    def body(self) -> bytes | None:
        """Of a route that has a leaf of the body."""

    @property
    def path_params(self) -> dict[str, Any]: ...
    @property
    def state(self) -> dict[str, Any]: ...
    @property
    def plan(self) -> Plan | None: ...

@final
class Sink:
    """Where a streamed body goes."""

    def __call__(self, data: bytes, /) -> Awaitable[None]:
        """Send a piece; await what it gives."""

    def over(self) -> asyncio.Future[bool | None]:
        """False: nothing can be sent any more. None: the client has ended its side. True: the worker is to stop."""

@final
class Call:
    """One request, answered by a Core; of other servers, and of tests."""

    @property
    def plan(self) -> Plan | None:
        """Of the route; None: mounted, or refused."""

    @property
    def mounted(self) -> bool:
        """It is another application's."""

    @property
    def reply(self) -> Reply | None:
        """The answer, once there is one."""

    @property
    def wants_body(self) -> bool:
        """The body is needed for start()."""

    @property
    def body_limit(self) -> int:
        """Bytes of it at most; -1: the server's limit."""

    def start(self, body: bytes, /) -> Coroutine[Any, Any, Any] | None:
        """Call the handler: a coroutine to run, or None, and then reply is there."""

    def finish(self, result: Any, /) -> None:
        """What the coroutine returned."""

    def fail(self, exception: BaseException, /) -> None:
        """What it raised."""

    def refuse(self, status: int, /) -> None:
        """The problem of that status, as 413."""

@final
class Core:
    """An App, compiled: answers requests of any server."""

    def __new__(
        cls,
        # Its targets are Plans, or what is mounted.
        router: RouterBase,
        *,
        request_type: type[RequestBase],
        # Has render() -> Reply.
        response_type: type,
        # JSON of anything.
        encode: Callable[[Any], bytes],
        # The Reply for a generator that a handler returned.
        stream: Callable[[Any, Plan], Reply],
        # Sends a stream: async for data in body: await send(data).
        drive: Callable[[Callable[[bytes], Awaitable[None]], Any], Coroutine[Any, Any, None]],
        # The Reply for an exception.
        failed: Callable[[BaseException, RequestBase | None, Plan | None], Reply],
        log: Callable[[int, str, BaseException | None], None],
        # Status and errors for what the conversion of a body raised.
        explain: Callable[[Exception], tuple[int, list[dict[str, Any]]]] | None = None,
        # The Reply of a refusal: status, errors, methods of the path. None: it is rendered in C.
        problem: Callable[[int, list[dict[str, Any]] | None, tuple[str, ...], RequestBase], Reply] | None = None,
        policies: dict[str, Any] = ...,
        # Reads a form with files: of a plan, by the content type. Has feed(data), finish() -> bytes, over().
        form: Callable[[Plan, bytes], Any] | None = None,
    ) -> Self: ...
    def call(
        self,
        method: str,
        raw_path: bytes,
        query: bytes,
        headers: Sequence[tuple[bytes, bytes]],
        *,
        client: tuple[str, int] | None = None,
        server: tuple[str, int | None] | None = None,
        scheme: str = "http",
        root_path: str = "",
        http_version: str = "1.1",
        # raw_path has no escapes.
        decoded: bool = False,
    ) -> Call:
        """One request, whose handler is called by start()."""

@final
class FileBody:
    """A regular file, open: the body of a reply. The core adds its validators and answers ranges and conditions."""

    def __new__(cls, path: str | bytes | PathLike[str] | PathLike[bytes]) -> Self:
        """OSError when it cannot be opened, or is no regular file."""

    @property
    def size(self) -> int:
        """Bytes, when it was opened."""

    @property
    def mtime_ns(self) -> int:
        """When it was changed last, in nanoseconds since 1970."""

    def fileno(self) -> int:
        """Its descriptor, which stays its own."""

@final
class FileParts:
    """The body of Call.reply for a file: what to send of it, in its order."""

    def __iter__(self) -> Iterator[bytes | tuple[int, int]]:
        """Bytes, and (offset, count) of the file."""

    @property
    def length(self) -> int:
        """Bytes of all that is to be sent; of a 304, of what it stands for."""

    def fileno(self) -> int:
        """The descriptor that offsets are of."""

@final
class Static:
    """A folder, as what a Core's router leads to by a mount: answered without Python."""

    def __new__(
        cls,
        root: str | bytes | PathLike[str] | PathLike[bytes],
        *,
        # The value of Cache-Control.
        cache: bytes = b"",
        # Twins of files that are compressed ahead: .zst, .br, .gz.
        precompressed: bool = False,
        # The file that stands for a folder, and the one for addresses of pages that are no files.
        index: str = "",
        spa: str = "",
        # Symbolic links may lead out of it.
        links: bool = False,
        dotfiles: bool = False,
        # By extension in lower case without its dot; "" is for names without one.
        types: dict[str, bytes] = ...,
    ) -> Self:
        """OSError when it cannot be opened."""
