"""The redis client on the loop, against a real Redis server."""

import asyncio
import os
from collections.abc import Callable
from typing import Any

import pytest
from redis import asyncio as redis_asyncio
from redis.exceptions import TimeoutError as RedisTimeoutError
from support.databases import Database
from support.loops import check_running, run

Connect = Callable[[Database], redis_asyncio.Redis]


def client(database: Database, **options: Any) -> redis_asyncio.Redis:
    """By its path."""
    check_running()
    return redis_asyncio.Redis(unix_socket_path=database.path, **options)


def client_by_port(database: Database) -> redis_asyncio.Redis:
    check_running()
    return redis_asyncio.Redis(host="127.0.0.1", port=database.port)


@pytest.mark.parametrize("connect", [client, client_by_port], ids=["path", "port"])
@pytest.mark.parametrize("size", [1, 1000, 8 << 20])
def test_values_come_back(redis: Database, connect: Connect, size: int) -> None:
    async def main() -> None:
        async with connect(redis) as connection:
            value = os.urandom(size)
            await connection.set("value", value)
            assert await connection.get("value") == value

    run(main())


def test_a_pipeline(redis: Database) -> None:
    async def main() -> None:
        async with client(redis) as connection, connection.pipeline() as pipeline:
            await connection.delete("counter")
            for _ in range(1000):
                pipeline.incr("counter")
            assert await pipeline.execute() == list(range(1, 1001))

    run(main())


def test_two_hundred_tasks_at_once(redis: Database) -> None:
    async def main() -> None:
        pool = redis_asyncio.BlockingConnectionPool.from_url(f"unix://{redis.path}", max_connections=50)
        async with redis_asyncio.Redis.from_pool(pool) as connection:

            async def ask(number: int) -> bytes | str | None:
                await connection.set(f"key {number}", number)
                return await connection.get(f"key {number}")

            assert await asyncio.gather(*map(ask, range(200))) == [b"%d" % number for number in range(200)]

    run(main())


def test_publish_and_subscribe(redis: Database) -> None:
    async def main() -> None:
        async with client(redis) as connection, connection.pubsub(ignore_subscribe_messages=True) as listening:
            await listening.subscribe("news")
            assert await listening.get_message(timeout=5) is None  # the answer to subscribe
            for number in range(100):
                assert await connection.publish("news", number) == 1
            heard = [await listening.get_message(timeout=20) for _ in range(100)]
            assert [message["data"] for message in heard if message] == [b"%d" % number for number in range(100)]

    run(main())


def test_a_blocking_pop_wakes_up(redis: Database) -> None:
    async def main() -> None:
        async with client(redis) as waiting, client(redis) as pushing:
            pop = asyncio.ensure_future(waiting.blpop(["queue"], timeout=20))
            await asyncio.sleep(0.05)
            await pushing.rpush("queue", "item")
            assert await pop == (b"queue", b"item")

    run(main())


def test_a_timeout_and_a_cancellation(redis: Database) -> None:
    async def main() -> None:
        async with client(redis, socket_timeout=1, retry=None) as connection:
            with pytest.raises(RedisTimeoutError):
                await connection.blpop(["nothing"], timeout=30)
        async with client(redis) as connection:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(connection.blpop(["nothing"], timeout=30), 0.05)
            await connection.set("after", "it")
            assert await connection.get("after") == b"it"

    run(main())
