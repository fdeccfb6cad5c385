"""A page of a FastAPI application: a signed-in user's list of items, twenty of two hundred, out of SQLite, as JSON.

With what such an application has: models of the answer, the user and the database as dependencies, parameters that are
checked, two middlewares.
"""

import sqlite3
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Cookie, Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from pydantic import BaseModel

PER_PAGE = 20
SCHEMA = """
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE sessions (key TEXT PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES users);
CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price INTEGER NOT NULL, stock INTEGER NOT NULL);
INSERT INTO users VALUES (1, 'Ada');
INSERT INTO sessions VALUES ('q8fd1t6mpxv2k0z5r3h7w9yb4c1n6j8s', 1);
"""


class User(BaseModel):
    id: int
    name: str


class Item(BaseModel):
    id: int
    name: str
    price: int
    stock: int


class Page(BaseModel):
    user: str
    page: int
    pages: int
    total: int
    items: list[Item]


def filled() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.executescript(SCHEMA)
    rows = [(number, f"Item {number}", number * 199, number * 7 % 13) for number in range(1, 201)]
    connection.executemany("INSERT INTO items VALUES (?, ?, ?, ?)", rows)
    connection.commit()
    return connection


connection = filled()


async def database() -> sqlite3.Connection:
    return connection


Database = Annotated[sqlite3.Connection, Depends(database)]


async def current_user(database: Database, sessionid: Annotated[str, Cookie()] = "") -> User:
    found = "SELECT users.* FROM users JOIN sessions ON users.id = user_id WHERE key = ?"
    row = database.execute(found, (sessionid,)).fetchone()
    if row is None:
        raise HTTPException(401)
    return User(**row)


app = FastAPI(title="Shop")
app.add_middleware(CORSMiddleware, allow_origins=["https://shop.example"], allow_credentials=True)


@app.middleware("http")
async def add_fields(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


@app.get("/items")
async def items(
    database: Database,
    user: Annotated[User, Depends(current_user)],
    page: Annotated[int, Query(ge=1)] = 1,
) -> Page:
    total = database.execute("SELECT count(*) FROM items").fetchone()[0]
    some = "SELECT * FROM items ORDER BY id LIMIT ? OFFSET ?"
    rows = database.execute(some, (PER_PAGE, (page - 1) * PER_PAGE)).fetchall()
    listed = [Item(**row) for row in rows]
    return Page(user=user.name, page=page, pages=-(-total // PER_PAGE), total=total, items=listed)
