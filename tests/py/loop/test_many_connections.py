"""Thousands of connections that end from either side at random moments: each ends once, and nothing is left over."""

import asyncio
import gc
import os
import random
import socket
import weakref
from collections import Counter
from typing import Any

import pytest
from support.loops import new_event_loop

CONNECTIONS = 2000
AT_ONCE = 200


class Ledger:
    """What happened to all the connections of a test."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.made = 0
        self.lost: Counter[int] = Counter()
        self.alive: weakref.WeakSet[Any] = weakref.WeakSet()
        self.errors: list[dict[str, Any]] = []


class Fickle(asyncio.Protocol):
    """Writes, reads and ends as it likes."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.number = -1
        self.silent = False
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.number = self.ledger.made
        self.ledger.made += 1
        self.ledger.alive.add(transport)
        self.transport = transport
        self.act()

    def data_received(self, data: bytes) -> None:
        assert data
        self.act()

    def eof_received(self) -> bool:
        if self.ledger.random.random() < 0.3:
            asyncio.get_running_loop().call_later(self.ledger.random.random() * 0.01, self.close)
            return True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.ledger.lost[self.number] += 1
        self.transport = None

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()

    def act(self) -> None:
        if self.transport is None or self.silent:
            return
        chance = self.ledger.random
        loop = asyncio.get_running_loop()
        match chance.randrange(9):
            case 0:
                self.transport.close()
            case 1:
                self.transport.abort()
            case 2:
                self.transport.write(bytes(chance.randrange(300_000)))
                self.transport.close()
            case 3:
                self.silent = True
                self.transport.write(b"last words")
                self.transport.write_eof()
                loop.call_later(chance.random() * 0.01, self.close)
            case 4:
                self.transport.write(bytes(chance.randrange(300_000)))
                loop.call_later(chance.random() * 0.01, self.act)
            case 5:
                self.transport.pause_reading()
                loop.call_later(chance.random() * 0.01, self.close)
            case 6:
                self.transport.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
            case 7:
                linger = self.transport.get_extra_info("socket")
                linger.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                self.transport.abort()
            case _:
                self.transport.write(b"more")
                loop.call_later(chance.random() * 0.02, self.close)


async def storm(ledger: Ledger) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, about: ledger.errors.append(about))
    server = await loop.create_server(lambda: Fickle(ledger), "127.0.0.1", 0, backlog=AT_ONCE)
    host, port = server.sockets[0].getsockname()
    slots = asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with slots:
            try:
                await loop.create_connection(lambda: Fickle(ledger), host, port)
            except OSError:  # reset before it was said to be there
                return
            await asyncio.sleep(0)

    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    for _ in range(2000):
        if len(ledger.lost) == ledger.made:
            break
        await asyncio.sleep(0.01)
    server.close()
    await server.wait_closed()
    await asyncio.sleep(0.05)
    assert asyncio.all_tasks() == {asyncio.current_task()}


def benign(about: dict[str, Any]) -> bool:
    """A shutdown or write_eof on a socket that the peer has just reset is told to the handler by every loop."""
    return isinstance(about.get("exception"), OSError)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_is_left_of_thousands_that_end_at_random(seed: int) -> None:
    gc.collect()
    descriptors = len(os.listdir("/proc/self/fd"))
    ledger = Ledger(seed)
    loop = new_event_loop()
    loop.run_until_complete(storm(ledger))
    assert ledger.made > CONNECTIONS
    assert len(ledger.lost) == ledger.made
    assert set(ledger.lost.values()) == {1}
    assert [about for about in ledger.errors if not benign(about)] == []
    ledger.errors.clear()
    gc.collect()
    assert len(ledger.alive) == 0
    loop.close()
    assert len(os.listdir("/proc/self/fd")) == descriptors


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(100):
            writer.write(data * 10)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def ask(address: tuple[str, int], chance: random.Random) -> None:
    reader, writer = await asyncio.open_connection(*address)
    try:
        for _ in range(chance.randrange(5)):
            writer.write(bytes(chance.randrange(1, 1000)))
            await reader.read(chance.randrange(1, 2000))
        if chance.random() < 0.3:
            writer.transport.abort()
        elif chance.random() < 0.3:
            await reader.read()  # for ever: it is cancelled
    finally:
        writer.close()


async def cancel_some(address: tuple[str, int], chance: random.Random) -> None:
    tasks = [asyncio.create_task(ask(address, chance)) for _ in range(AT_ONCE)]
    _, left = await asyncio.wait(tasks, timeout=0.3)
    for task in left:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(result) for result in results} <= {type(None), asyncio.CancelledError, ConnectionResetError}


def test_streams_and_tasks_that_end_at_random() -> None:
    """The same through open_connection and start_server, with tasks that are cancelled in the middle of a read."""
    gc.collect()
    descriptors = len(os.listdir("/proc/self/fd"))

    async def main() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=AT_ONCE)
        chance = random.Random(4)
        for _ in range(5):
            await cancel_some(server.sockets[0].getsockname(), chance)
        for _ in range(500):
            if len(asyncio.all_tasks()) == 1:
                break
            await asyncio.sleep(0.01)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        server.close()
        await server.wait_closed()

    loop = new_event_loop()
    loop.run_until_complete(main())
    loop.close()
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_no_descriptor_left_makes_the_server_wait_and_not_spin() -> None:
    """EMFILE: it tells its handler, stops for a second, and then takes the connection that waited."""
    import resource

    errors: list[dict[str, Any]] = []
    loop = new_event_loop()
    loop.set_exception_handler(lambda _, about: errors.append(about))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def main() -> None:
        served = loop.create_future()

        class Served(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                served.set_result(None)
                transport.close()

        server = await loop.create_server(Served, "127.0.0.1", 0)
        client = socket.socket()
        client.setblocking(False)
        highest = max(int(name) for name in os.listdir("/proc/self/fd"))
        fillers: list[int] = []
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 2, hard))
            with pytest.raises(OSError, match="Too many open files"):  # noqa: PT012
                while True:
                    fillers.append(os.dup(2))
            await loop.sock_connect(client, server.sockets[0].getsockname())
            while not errors:
                await asyncio.sleep(0.01)
            assert not served.done()
        finally:
            for filler in fillers:
                os.close(filler)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        await asyncio.wait_for(served, 20)
        client.close()
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0)

    loop.run_until_complete(main())
    loop.close()
    assert {type(about["exception"]) for about in errors} == {OSError}
    assert len(errors) <= 100  # the standard loop tries as often as its backlog is long before it stops
