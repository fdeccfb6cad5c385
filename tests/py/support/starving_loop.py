"""Uses of a loop in which the n-th allocation fails, for every n: what is printed is how often each use failed."""

import _testcapi  # type: ignore[import-not-found]
import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any

from support.loops import new_event_loop

# A lost callback can leave a use waiting for ever. An alarm that comes where exceptions are ignored is followed by
# another.
SECONDS = 0.1


class TooLongError(BaseException):
    """Of the alarm."""


class Echo(asyncio.Protocol):
    transport: Any

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)
        self.transport.write(bytearray(data))
        self.transport.writelines([data, memoryview(data)])

    def eof_received(self) -> None:
        self.transport.close()


class Waiting(asyncio.Protocol):
    """A client that waits for so many bytes, and for the end."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.over: asyncio.Future[None] = loop.create_future()
        self.came: asyncio.Future[None] = loop.create_future()
        self.left = 0

    async def count(self, number: int) -> None:
        self.left += number
        if self.left > 0:
            await self.came

    def data_received(self, data: bytes) -> None:
        self.left -= len(data)
        if self.left == 0:
            self.came.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.over.set_result(None)


class Buffered(asyncio.BufferedProtocol):
    def __init__(self) -> None:
        self.buffer = bytearray(1000)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        pass


def nothing() -> None:
    pass


def ignore(_: object, about: object) -> None:
    pass


async def callbacks() -> None:
    loop = asyncio.get_running_loop()
    for number in range(5):
        loop.call_soon(nothing)
        loop.call_soon(id, number)
        loop.call_soon_threadsafe(nothing)
        loop.call_later(0.0001, nothing)
        loop.call_later(10, nothing).cancel()
        loop.call_at(loop.time(), nothing)
    await asyncio.sleep(0.001)


async def child(number: int) -> int:
    await asyncio.sleep(0)
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_result, number)
    return int(await future)


async def tasks() -> None:
    loop = asyncio.get_running_loop()
    first, second = loop.create_task(child(1)), loop.create_task(child(2))
    assert (await first, await second) == (1, 2)


def ready(one: socket.socket, came: "asyncio.Future[bytes]") -> None:
    if not came.done():
        came.set_result(one.recv(10))


async def watchers() -> None:
    loop = asyncio.get_running_loop()
    one, other = socket.socketpair()
    with one, other:
        one.setblocking(False)
        came: asyncio.Future[bytes] = loop.create_future()
        loop.add_reader(one, ready, one, came)
        loop.add_writer(one, loop.remove_writer, one)
        other.send(b"x")
        assert await came == b"x"
        loop.remove_reader(one)
        other.send(b"y")
        assert await loop.sock_recv(one, 10) == b"y"


async def sockets() -> None:
    loop = asyncio.get_running_loop()
    one, other = socket.socketpair()
    with one, other:
        one.setblocking(False)
        other.setblocking(False)
        loop.call_soon(other.send, b"one")
        assert await loop.sock_recv(one, 10) == b"one"
        loop.call_soon(other.send, b"other")
        assert await loop.sock_recv_into(one, bytearray(10)) == 5
        loop.call_soon(other.recv, 1 << 20)
        await loop.sock_sendall(one, b"x" * 400_000)
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as client:
        listening.setblocking(False)
        client.setblocking(False)
        loop.call_soon(client.connect_ex, listening.getsockname())
        connection, _ = await loop.sock_accept(listening)
        connection.close()


async def stream() -> None:
    one, other = socket.socketpair()
    one.setblocking(False)
    other.setblocking(False)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_unix_connection(Echo, sock=one)
    asking, waiting = await loop.create_unix_connection(Waiting, sock=other)
    asking.write(b"words" * 100)
    await waiting.count(2000)
    transport.set_protocol(Buffered())
    asking.write(bytearray(1 << 20))
    transport.get_extra_info("socket").getsockname()
    transport.get_extra_info("peername")
    repr(transport)
    transport.pause_reading()
    transport.resume_reading()
    asking.write_eof()
    asking.close()
    transport.abort()
    await waiting.over


async def server() -> None:
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(Echo, "127.0.0.1", 0)
    client = socket.socket()
    client.setblocking(False)
    await loop.sock_connect(client, listening.sockets[0].getsockname())
    asking, waiting = await loop.create_connection(Waiting, sock=client)
    asking.write(b"words")
    await waiting.count(20)
    asking.close()
    await waiting.over
    listening.close()
    await asyncio.sleep(0)


async def debug() -> None:
    asyncio.get_running_loop().set_debug(True)
    await asyncio.sleep(0)  # only then the origins of coroutines are kept
    # 3.12 and 3.13 crash when there is no memory for one: _Py_MakeCoro (Objects/genobject.c) has no frame to free.
    sys.set_coroutine_origin_tracking_depth(0)
    asyncio.get_running_loop().slow_callback_duration = 0
    await callbacks()
    await tasks()


async def failing() -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(ignore)
    loop.call_soon(divmod, 1, 0)
    loop.call_later(0, divmod, 1, 0)
    await asyncio.sleep(0.001)


async def threads() -> None:
    loop = asyncio.get_running_loop()
    came = loop.create_future()
    thread = threading.Thread(target=loop.call_soon_threadsafe, args=(came.set_result, 1))
    thread.start()
    await came
    thread.join()


USES: dict[str, Callable[[], Any]] = {
    use.__name__: use for use in (callbacks, tasks, watchers, sockets, stream, server, debug, failing, threads)
}

# Debug mode takes thousands, for where each call comes from.
STRIDES = {"debug": 61}


def ring(*_: object) -> None:
    raise TooLongError


def make_room() -> None:
    """In CPython's table of the task that each loop runs.

    dict_setdefault_ref_lock_held (Objects/dictobject.c of 3.13) counts an entry for which the table could not grow, and
    the next growing then reads past its end.
    """
    current: dict[Any, Any] = asyncio.tasks._current_tasks  # type: ignore[attr-defined]
    current.clear()
    current.update(dict.fromkeys(range(1000)))


def spare_code() -> list[CodeType]:
    """References to the code of inner functions, to be kept to the end of the process.

    A function that cannot be made costs one too many: MAKE_FUNCTION (Python/bytecodes.c of 3.12 and 3.13) releases the
    code and leaves it on the stack, where it is released again.
    """
    functions = (o for o in gc.get_objects() if isinstance(o, FunctionType))
    inner = {id(part): part for f in functions for part in f.__code__.co_consts if isinstance(part, CodeType)}
    return [part for part in inner.values() for _ in range(500)]


def attempt(use: Callable[[], Any], number: int) -> BaseException | None:
    """What came of it with the number-th allocation failing, once it runs: CPython's own set-up cannot do without."""
    if sys.version_info[:2] == (3, 13):
        make_room()
    loop = new_event_loop()

    async def starved() -> None:
        _testcapi.set_nomemory(number - 1, number)
        try:
            await use()
        finally:
            _testcapi.remove_mem_hooks()

    error: BaseException | None = None
    signal.setitimer(signal.ITIMER_REAL, SECONDS, 50 * SECONDS)
    try:
        loop.run_until_complete(starved())
    except BaseException as caught:
        error = caught
    finally:
        _testcapi.remove_mem_hooks()
        signal.setitimer(signal.ITIMER_REAL, 0)
    end(loop)
    return error


def end(loop: asyncio.AbstractEventLoop) -> None:
    """With memory again: what is left is ended as asyncio.run ends it."""
    for task in asyncio.all_tasks(loop):
        task.cancel()
    signal.setitimer(signal.ITIMER_REAL, SECONDS, 50 * SECONDS)
    with contextlib.suppress(BaseException):
        loop.run_until_complete(asyncio.sleep(0.001))
    signal.setitimer(signal.ITIMER_REAL, 0)
    loop.close()


def starve(use: Callable[[], Any], stride: int) -> int:
    """The number of allocations that made it fail, until twenty in a row were not missed."""
    number = failed = fine = 0
    while fine < 20:
        number += stride
        error = attempt(use, number)
        failed += error is not None
        fine = 0 if error is not None else fine + 1
        del error
        gc.collect()  # nothing of one attempt is there in the next
    return failed


def main(name: str) -> None:
    logging.disable()
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, ring)
    attempt(USES[name], 1_000_000)
    spare = spare_code() if sys.version_info >= (3, 12) else []
    gc.collect()
    descriptors = len(os.listdir("/proc/self/fd"))
    failed = starve(USES[name], STRIDES.get(name, 1))
    gc.collect()
    left = len(os.listdir("/proc/self/fd")) - descriptors
    print(failed, left, flush=True)
    if spare:
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
