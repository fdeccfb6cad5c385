"""Errors: raise them anywhere; say once what others' exceptions mean."""

import sqlite3
from collections.abc import Iterator

from velocem import App, NotFound, Problem

app = App()


@app.lifespan
def database() -> Iterator[sqlite3.Connection]:
    db = sqlite3.connect(":memory:")
    db.execute("create table users (id integer primary key, name text unique)")
    yield db
    db.close()


@app.get("/users/{user_id:int}")
def show(user_id: int, db: sqlite3.Connection) -> dict[str, str]:
    row = db.execute("select name from users where id = ?", [user_id]).fetchone()
    if row is None:
        raise NotFound("no such user", user_id=user_id)
    return {"name": row[0]}


@app.put("/users/{user_id:int}")
def add(user_id: int, name: str, db: sqlite3.Connection) -> None:
    db.execute("insert into users values (?, ?)", [user_id, name])


@app.error(sqlite3.IntegrityError)
def duplicate(e: sqlite3.IntegrityError) -> Problem:
    return Problem(409, detail=str(e))
