"""Providers: by type, once in a request; what stands behind the yield runs after the response."""

# asyncpg does not tell its types:
# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

import asyncpg
from msgspec import Struct

from velocem import App, Depends, Header, Unauthorized

DSN = os.environ.get("DATABASE_URL", "postgresql://localhost/postgres")

app = App()


class Order(Struct):
    id: int
    buyer: str
    what: str


@dataclass
class User:
    name: str


class Session:
    """A connection for as long as one request needs it."""

    def __init__(self, connection: asyncpg.pool.PoolConnectionProxy) -> None:
        self.connection = connection

    async def orders(self, buyer: str) -> list[Order]:
        rows = await self.connection.fetch("select id, buyer, what from orders where buyer = $1 order by id", buyer)
        return [Order(row["id"], row["buyer"], row["what"]) for row in rows]


@app.lifespan
async def resources() -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(DSN) as pool:
        await pool.execute("create table if not exists orders (id serial primary key, buyer text, what text)")
        yield pool


@app.provide
async def session(pool: asyncpg.Pool) -> AsyncIterator[Session]:
    async with pool.acquire() as c, c.transaction():
        yield Session(c)


async def current_user(authorization: Header[str | None] = None) -> User:
    if authorization is None:
        raise Unauthorized("who are you?", headers={"www-authenticate": "Bearer"})
    return User(authorization.removeprefix("Bearer "))


@app.get("/orders")
async def orders(s: Session, user: Annotated[User, Depends(current_user)]) -> list[Order]:
    return await s.orders(user.name)


@app.post("/orders/{what}", status=201)
async def buy(what: str, s: Session, user: Annotated[User, Depends(current_user)]) -> None:
    await s.connection.execute("insert into orders (buyer, what) values ($1, $2)", user.name, what)
