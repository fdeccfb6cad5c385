"""The asyncio event loop: the C core under the standard library's Unix loop, which gives all that is not hot."""

import asyncio
import asyncio.base_events
import asyncio.constants
import asyncio.events
import asyncio.format_helpers
import asyncio.sslproto
import asyncio.trsock
import contextlib
import inspect
import os
import selectors
import socket
import sys
import warnings
import weakref
from collections.abc import Callable
from types import BuiltinFunctionType
from typing import Any, NoReturn

from velocem._core import BaseEventLoop, learn_tasks

# What is private in there, and its logger, which the library's tests replace.
_base_events: Any = asyncio.base_events

# From 3.13 on it can keep the arguments out of the log; before, it has no such parameter and always shows them.
_format_callback_source = asyncio.format_helpers._format_callback_source  # pyright: ignore[reportPrivateUsage]
_HAS_DEBUG = "debug" in inspect.signature(_format_callback_source).parameters


class _Elsewhere:
    """Stands where the library's loop keeps a queue that here is in C: nothing to see, and nothing to clear."""

    def clear(self) -> None:
        """There is nothing: _close_core does it."""

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"velocem.EventLoop keeps its callbacks and timers in C: there is no {name!r} of them")

    def __len__(self) -> NoReturn:
        raise TypeError("velocem.EventLoop keeps its callbacks and timers in C: they cannot be counted")


class _Selector:
    """What the library asks its selector, which here is in C: what is watched, for a repr, and to be closed."""

    def __init__(self, loop: "EventLoop") -> None:
        self._loop = weakref.ref(loop)

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        loop = self._loop()
        events = loop._watched(fileobj) if loop is not None else 0
        if not events:
            raise KeyError(f"{fileobj!r} is not registered")
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        return selectors.SelectorKey(fileobj, fd, events, None)

    def close(self) -> None:
        """Give back what the kernel has given: the last step of the library's own closing."""
        loop = self._loop()
        if loop is not None:
            loop._close_core()

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"velocem.EventLoop polls in C: it has no selector to {name!r} with")


def _is_address(host: object) -> bool:
    """Whether it looks like one of IPv4 or IPv6."""
    return isinstance(host, str) and (":" in host or host.replace(".", "").isdecimal())


def _is_found(sock: socket.socket, address: Any) -> bool:
    """Whether it can be connected to as it stands, without a look-up that takes its time."""
    if isinstance(address, str | bytes):
        return sock.family == socket.AF_UNIX
    try:
        host, _ = address
    except (TypeError, ValueError):
        return False
    return _is_address(host) and "%" not in host


class EventLoop(BaseEventLoop, asyncio.SelectorEventLoop):
    """asyncio's Unix event loop with its queue, timers, polling and transports in C."""

    _ready = _scheduled = property(lambda _: _Elsewhere(), lambda _, __: None)

    def __init__(self) -> None:
        super().__init__(_Selector(self))  # type: ignore[arg-type]
        _loops.add(self)

    def _callback_failed(self, handle: asyncio.Handle, exception: BaseException) -> None:
        """As asyncio.Handle._run does it; called by the core."""
        debug = {"debug": self.get_debug()} if _HAS_DEBUG else {}
        source = _format_callback_source(handle._callback, handle._args, **debug)  # type: ignore[attr-defined]
        context: dict[str, Any] = {
            "message": f"Exception in callback {source}",
            "exception": exception,
            "handle": handle,
        }
        traceback = handle._source_traceback  # type: ignore[attr-defined]
        if traceback:
            context["source_traceback"] = traceback
        self.call_exception_handler(context)

    def _callback_was_slow(self, handle: asyncio.Handle, seconds: float) -> None:
        _base_events.logger.warning("Executing %s took %.3f seconds", _base_events._format_handle(handle), seconds)

    # --- transports: what goes wrong with them ---

    def _log_debug(self, message: str, *args: object) -> None:
        _base_events.logger.debug(message, *args)

    def _transport_is_unclosed(self, transport: asyncio.Transport) -> None:
        warnings.warn(f"unclosed transport {transport!r}", ResourceWarning, stacklevel=1, source=transport)

    def _transport_failed(self, transport: asyncio.Transport, message: str, exception: BaseException) -> None:
        """A connection that breaks is nobody's fault, and is told to the protocol only."""
        if not isinstance(exception, OSError):
            self._protocol_failed(transport, transport.get_protocol(), message, exception)
        elif self.get_debug():
            _base_events.logger.debug("%r: %s", transport, message, exc_info=exception)

    def _protocol_failed(
        self, transport: asyncio.Transport, protocol: asyncio.BaseProtocol, message: str, exception: BaseException
    ) -> None:
        context = {"message": message, "exception": exception, "transport": transport, "protocol": protocol}
        self.call_exception_handler(context)

    # --- accepting ---

    def _accept_ssl(
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], sock: socket.socket, how: tuple[Any, ...]
    ) -> None:
        """In a task of its own, as the library does it: the handshake takes a while."""
        sslcontext, server, handshake, shutdown = how
        extra = {"peername": sock.getpeername()}
        self.create_task(
            self._accept_connection2(  # type: ignore[attr-defined]
                protocol_factory,
                sock,
                extra,
                sslcontext,
                server,
                ssl_handshake_timeout=handshake,
                ssl_shutdown_timeout=shutdown,
            )
        )

    def _accept_failed(self, exception: BaseException) -> None:
        message = "Error on transport creation for incoming connection"
        self.call_exception_handler({"message": message, "exception": exception})

    def _accept_rests(self, acceptor: Any, exception: OSError) -> None:
        """Nothing can be accepted now; a ready socket that is not read would make the loop spin."""
        context = {
            "message": "socket.accept() out of system resource",
            "exception": exception,
            "socket": asyncio.trsock.TransportSocket(acceptor.sock),
        }
        self.call_exception_handler(context)
        self.call_later(asyncio.constants.ACCEPT_RETRY_DELAY, acceptor.resume)

    # --- names ---

    async def getaddrinfo(
        self,
        host: bytes | str | None,
        port: bytes | str | int | None,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        """An address needs no look-up, and so no thread: a hundredth of the time."""
        if _is_address(host) and (port is None or isinstance(port, int)) and not self.get_debug():
            with contextlib.suppress(socket.gaierror):  # it only looked like one
                return socket.getaddrinfo(host, port, family, type, proto, flags | socket.AI_NUMERICHOST)
        return await super().getaddrinfo(host, port, family=family, type=type, proto=proto, flags=flags)

    # --- sockets: in C, and in the library's own way where C knows none ---

    async def sock_recv(self, sock: socket.socket, n: int) -> bytes:
        got = self._recv_now(sock, n)
        if type(got) is bytes:
            return got
        if got is NotImplemented:
            return await super().sock_recv(sock, n)
        try:
            return await got  # type: ignore[no-any-return]
        except BaseException:
            self._sock_leave(sock, got)
            del got  # its exception has this frame
            raise

    async def sock_recv_into(self, sock: socket.socket, buf: Any) -> int:
        got = self._recv_into_now(sock, buf)
        if type(got) is int:
            return got
        if got is NotImplemented:
            return await super().sock_recv_into(sock, buf)
        try:
            return await got  # type: ignore[no-any-return]
        except BaseException:
            self._sock_leave(sock, got)
            del got  # its exception has this frame
            raise

    async def sock_sendall(self, sock: socket.socket, data: Any) -> None:
        got = self._sendall_now(sock, data)
        if got is None:
            return None
        if got is NotImplemented:
            return await super().sock_sendall(sock, data)
        try:
            await got
        except BaseException:
            self._sock_leave(sock, got)
            del got  # its exception has this frame
            raise

    async def sock_accept(self, sock: socket.socket) -> tuple[socket.socket, Any]:
        got = self._accept_now(sock)
        if type(got) is tuple:
            return got  # pyright: ignore[reportUnknownVariableType]
        if got is NotImplemented:
            return await super().sock_accept(sock)
        try:
            return await got  # type: ignore[no-any-return]
        except BaseException:
            self._sock_leave(sock, got)
            del got  # its exception has this frame
            raise

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        got = self._connect_now(sock, address) if _is_found(sock, address) else NotImplemented
        if got is None:
            return None
        if got is NotImplemented:
            return await super().sock_connect(sock, address)
        try:
            await got
        except BaseException:
            self._sock_leave(sock, got)
            del got
            raise

    # --- what the library makes with a transport class of its own ---

    def _make_ssl_transport(
        self,
        rawsock: socket.socket,
        protocol: asyncio.BaseProtocol,
        sslcontext: Any,
        waiter: "asyncio.Future[None] | None" = None,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        extra: dict[str, Any] | None = None,
        server: Any = None,
        **timeouts: Any,
    ) -> Any:
        make: Any = asyncio.sslproto.SSLProtocol
        tls = make(self, protocol, sslcontext, waiter, server_side, server_hostname, **timeouts)
        self._make_socket_transport(rawsock, tls, extra=extra, server=server)
        return tls._app_transport

    async def _sendfile_native(self, transp: Any, file: Any, offset: int, count: int | None) -> int:
        """Reading stops and what was written goes first; then the descriptor is watched for sendfile(2) alone."""
        resume = transp.is_reading()
        transp.pause_reading()
        try:
            await transp._make_empty_waiter()
            transp._lend()
            return await self.sock_sendfile(transp._sock, file, offset, count, fallback=False)
        finally:
            transp._reset_empty_waiter()
            transp._take_back()
            if resume:
                transp.resume_reading()

    def _sendfile_lost(self, waiter: "asyncio.Future[None]") -> None:
        if not waiter.done():
            waiter.set_exception(ConnectionError("Connection is closed by peer"))


# A forked child has the same poller as its parent until it is given one of its own.
_loops: "weakref.WeakSet[EventLoop]" = weakref.WeakSet()


def _after_fork() -> None:
    for loop in _loops:
        loop._after_fork()


def _before_fork() -> None:
    for loop in _loops:
        loop._flush()


os.register_at_fork(before=_before_fork, after_in_child=_after_fork)


class _ProbeLoop:
    """Stands in for a loop before a task, and takes note of what it is asked to call."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, tuple[Any, ...]]] = []

    def call_soon(self, callback: Callable[..., object], *args: object, context: object = None) -> None:  # noqa: ARG002
        self.calls.append((callback, args))

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True


async def _wait(future: "asyncio.Future[None]") -> None:
    await future


def _probe_tasks() -> tuple[object | None, object | None]:
    """What asyncio's tasks give to call_soon: for a step, and for a waking by a future; None where it is not as known.

    Both are private to the accelerator module. It drops the handle that it gets for them, so the core makes none.
    """
    loop: Any = _ProbeLoop()
    future: asyncio.Future[None] = asyncio.Future(loop=loop)
    running = asyncio.events._get_running_loop()
    asyncio.events._set_running_loop(loop)
    try:
        task = asyncio.Task(_wait(future), loop=loop)
        step, step_args = loop.calls.pop()
        step()
        future.set_result(None)
        wakeup, wakeup_args = loop.calls.pop()
        wakeup(future)
    finally:
        asyncio.events._set_running_loop(running)
    is_step = type(step).__name__ == "TaskStepMethWrapper" and step_args == ()
    is_wakeup = isinstance(wakeup, BuiltinFunctionType) and wakeup.__self__ is task and wakeup_args == (future,)
    return step if is_step else None, wakeup if is_wakeup else None


learn_tasks(*_probe_tasks())


def new_event_loop() -> EventLoop:
    """A new loop: for asyncio.run(main(), loop_factory=velocem.new_event_loop)."""
    return EventLoop()


if sys.version_info < (3, 16):

    class EventLoopPolicy(asyncio.DefaultEventLoopPolicy):
        """asyncio's policy, with loops of ours."""

        _loop_factory = EventLoop

    def install() -> None:
        """Make every new loop of this process one of ours; asyncio.run(..., loop_factory=...) does without."""
        asyncio.set_event_loop_policy(EventLoopPolicy())  # pyright: ignore[reportDeprecated]

else:

    def install() -> None:
        """There are no policies any more."""
        raise RuntimeError(
            "asyncio has no event loop policies from Python 3.16 on: "
            "use asyncio.run(main(), loop_factory=velocem.new_event_loop)"
        )
