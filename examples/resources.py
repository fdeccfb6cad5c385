"""A lifespan: what is yielded is there for everyone who takes one of its type, at the cost of one pointer."""

# asyncpg does not tell its types:
# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false

import os
from collections.abc import AsyncIterator

import asyncpg

from velocem import App

DSN = os.environ.get("DATABASE_URL", "postgresql://localhost/postgres")

app = App()


@app.lifespan
async def resources() -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(DSN) as pool:
        yield pool


@app.get("/sum")
async def add(a: int, b: int, pool: asyncpg.Pool) -> dict[str, int]:
    return {"sum": await pool.fetchval("select $1::int + $2::int", a, b)}
