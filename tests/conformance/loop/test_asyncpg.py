"""asyncpg on the loop, against a real PostgreSQL."""

import asyncio
import io
import os
from typing import Any

import asyncpg
import pytest
from support.databases import Database
from support.loops import check_running, run


async def connected(database: Database, *, path: bool = True) -> Any:
    check_running()
    host = database.path if path else "127.0.0.1"
    return await asyncpg.connect(host=host, port=database.port, user="tester", database="postgres")


@pytest.mark.parametrize("path", [True, False], ids=["path", "port"])
def test_queries(postgres: Database, path: bool) -> None:
    async def main() -> None:
        connection = await connected(postgres, path=path)
        assert await connection.fetchval("select 6 * 7") == 42
        statement = await connection.prepare("select $1::int + $2::int")
        assert [await statement.fetchval(n, 1) for n in range(100)] == list(range(1, 101))
        with pytest.raises(asyncpg.DivisionByZeroError):
            await connection.fetchval("select 1 / 0")
        assert await connection.fetchval("select $1::text", "still here") == "still here"
        await connection.close()

    run(main())


def test_a_large_result(postgres: Database) -> None:
    async def main() -> None:
        connection = await connected(postgres)
        rows = await connection.fetch("select n, repeat('x', 1000) as x from generate_series(1, 20000) n")
        assert (len(rows), rows[-1]["n"], len(rows[-1]["x"])) == (20000, 20000, 1000)
        value = os.urandom(8 << 20)
        assert await connection.fetchval("select $1::bytea", value) == value
        await connection.close()

    run(main())


def test_a_transaction_is_rolled_back(postgres: Database) -> None:
    async def main() -> None:
        connection = await connected(postgres)
        await connection.execute("create temporary table t (n int)")
        with pytest.raises(KeyError):  # noqa: PT012
            async with connection.transaction():
                await connection.execute("insert into t values (1)")
                raise KeyError
        async with connection.transaction():
            await connection.executemany("insert into t values ($1)", [(n,) for n in range(1000)])
            async for row in connection.cursor("select n from t order by n", prefetch=100):
                assert row["n"] >= 0
        assert await connection.fetchval("select count(*) from t") == 1000
        await connection.close()

    run(main())


def test_copy_in_and_out(postgres: Database) -> None:
    async def main() -> None:
        connection = await connected(postgres)
        await connection.execute("create temporary table c (n int, t text)")
        await connection.copy_records_to_table("c", records=[(n, f"row {n}") for n in range(50_000)])
        out = io.BytesIO()
        await connection.copy_from_query("select n, t from c order by n", output=out, format="csv")
        assert out.getvalue().splitlines() == [b"%d,row %d" % (n, n) for n in range(50_000)]
        await connection.close()

    run(main())


def test_notifications_between_connections(postgres: Database) -> None:
    async def main() -> None:
        listening, speaking = await connected(postgres), await connected(postgres, path=False)
        heard: asyncio.Queue[str] = asyncio.Queue()
        await listening.add_listener("news", lambda *about: heard.put_nowait(about[3]))
        for number in range(10):
            await speaking.execute(f"select pg_notify('news', '{number}')")
        assert [await asyncio.wait_for(heard.get(), 20) for _ in range(10)] == [str(n) for n in range(10)]
        await listening.close()
        await speaking.close()

    run(main())


def test_a_query_is_cancelled_and_the_connection_goes_on(postgres: Database) -> None:
    async def main() -> None:
        connection = await connected(postgres)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await connection.execute("select pg_sleep(60)")
        assert await connection.fetchval("select 1") == 1
        await connection.close()

    run(main())


def test_a_pool_shared_by_two_hundred_tasks(postgres: Database) -> None:
    async def main() -> None:
        async with asyncpg.create_pool(
            host=postgres.path, port=postgres.port, user="tester", database="postgres", min_size=2, max_size=10
        ) as pool:

            async def ask(number: int) -> int:
                async with pool.acquire() as connection:
                    value: int = await connection.fetchval("select $1::int", number)
                    return value

            assert await asyncio.gather(*map(ask, range(200))) == list(range(200))

    run(main())


def test_a_connection_that_the_server_ends(postgres: Database) -> None:
    async def main() -> None:
        victim, other = await connected(postgres), await connected(postgres)
        sleeping = asyncio.create_task(victim.execute("select pg_sleep(60)"))
        await asyncio.sleep(0.05)
        await other.execute("select pg_terminate_backend($1)", victim.get_server_pid())
        with pytest.raises((asyncpg.AdminShutdownError, asyncpg.ConnectionDoesNotExistError)):
            await sleeping
        assert victim.is_closed()
        await other.close()

    run(main())
