"""Several loops, each in a thread of its own, and calls between them."""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.loops import new_event_loop, run

LOOPS = 8


def in_threads(number: int, act: Callable[[int], object]) -> list[object]:
    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(act, range(number)))


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def talk(number: int) -> int:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        for turn in range(200):
            message = b"%d %d" % (number, turn)
            writer.write(message)
            assert await reader.readexactly(len(message)) == message
            if turn % 50 == 0:
                await asyncio.sleep(0.001)
        writer.close()
        await writer.wait_closed()
    return number


def test_each_serves_and_asks() -> None:
    assert in_threads(LOOPS, lambda number: run(talk(number))) == list(range(LOOPS))


def test_every_loop_asks_every_other() -> None:
    loops: list[asyncio.AbstractEventLoop] = [new_event_loop() for _ in range(LOOPS)]
    threads = [threading.Thread(target=loop.run_forever) for loop in loops]
    for thread in threads:
        thread.start()

    async def answer(number: int) -> int:
        await asyncio.sleep(0)
        return number + 1

    async def ask(number: int) -> int:
        others = [asyncio.run_coroutine_threadsafe(answer(number), loop) for loop in loops]
        return sum(await asyncio.gather(*map(asyncio.wrap_future, others)))

    for _ in range(20):
        futures = [asyncio.run_coroutine_threadsafe(ask(number), loop) for number, loop in enumerate(loops)]
        assert [future.result(30) for future in futures] == [LOOPS * (number + 1) for number in range(LOOPS)]
    for loop, thread in zip(loops, threads, strict=True):
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        assert not thread.is_alive()
        loop.close()


@pytest.mark.parametrize("calls", [1, 100, 20_000])
def test_a_storm_of_calls_loses_none_and_keeps_the_order_of_each_thread(calls: int) -> None:
    loop = new_event_loop()
    came: list[tuple[int, int]] = []
    left = LOOPS

    def last() -> None:
        nonlocal left
        left -= 1
        if not left:
            loop.stop()

    def storm(number: int) -> None:
        for turn in range(calls):
            loop.call_soon_threadsafe(came.append, (number, turn))
        loop.call_soon_threadsafe(last)

    with ThreadPoolExecutor(LOOPS) as pool:
        for number in range(LOOPS):
            pool.submit(storm, number)
        loop.run_forever()
    loop.close()
    for number in range(LOOPS):
        assert [turn for each, turn in came if each == number] == list(range(calls))


def test_calls_of_the_own_thread_and_of_others_are_one_line() -> None:
    """What was handed over first runs first, by whichever door."""
    loop = new_event_loop()
    order: list[int] = []

    def first() -> None:
        thread = threading.Thread(target=loop.call_soon_threadsafe, args=(order.append, 1))
        thread.start()
        thread.join()
        loop.call_soon(order.append, 2)
        loop.call_soon_threadsafe(order.append, 3)
        loop.call_soon(order.append, 4)
        thread = threading.Thread(target=loop.call_soon_threadsafe, args=(order.append, 5))
        thread.start()
        thread.join()
        loop.call_soon(loop.stop)

    loop.call_soon(first)
    loop.run_forever()
    loop.close()
    assert order == [1, 2, 3, 4, 5]


def test_a_call_made_while_no_loop_runs_waits_for_the_run() -> None:
    loop = new_event_loop()
    came: list[int] = []
    thread = threading.Thread(target=loop.call_soon_threadsafe, args=(came.append, 1))
    thread.start()
    thread.join()
    assert came == []
    loop.call_soon_threadsafe(loop.stop)
    loop.run_forever()
    loop.close()
    assert came == [1]


def test_a_cancelled_call_from_another_thread_does_not_run() -> None:
    loop = new_event_loop()
    came: list[int] = []

    def cancel() -> None:
        handles = [loop.call_soon_threadsafe(came.append, number) for number in range(100)]
        for handle in handles[::2]:
            handle.cancel()
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=cancel)
    thread.start()
    thread.join()
    loop.run_forever()
    loop.close()
    assert came == list(range(1, 100, 2))


def test_threads_that_call_while_the_loop_closes_get_an_error_and_nothing_worse() -> None:
    for _ in range(10):
        loop = new_event_loop()
        begun = threading.Barrier(5)
        refused: list[RuntimeError] = []

        def storm(loop: asyncio.AbstractEventLoop, begun: threading.Barrier, refused: list[RuntimeError]) -> None:
            begun.wait()
            try:
                while True:
                    loop.call_soon_threadsafe(int)
            except RuntimeError as error:
                refused.append(error)

        threads = [threading.Thread(target=storm, args=(loop, begun, refused)) for _ in range(4)]
        for thread in threads:
            thread.start()
        begun.wait()
        loop.run_until_complete(asyncio.sleep(0.002))
        loop.close()
        for thread in threads:
            thread.join()
        assert len(refused) == 4


def test_arguments_of_calls_never_run_are_let_go() -> None:
    class Witness:
        gone = 0

        def __del__(self) -> None:
            Witness.gone += 1

    for _ in range(10):
        loop = new_event_loop()
        loop.call_soon(print, Witness())
        loop.call_later(60, print, Witness())
        loop.call_soon_threadsafe(print, Witness())
        loop.close()
        del loop
    assert Witness.gone == 30


def test_the_executor_and_back() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        names = await asyncio.gather(*(loop.run_in_executor(None, threading.get_ident) for _ in range(500)))
        assert threading.get_ident() not in names
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)
        assert await asyncio.to_thread(os.getpid) == os.getpid()

    run(main())
