"""The messages in SQLite and the pictures beside them."""

import hashlib
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, cast

from flask import current_app, g

TABLES = """
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY,
    posted INTEGER NOT NULL,
    author TEXT NOT NULL,
    text TEXT NOT NULL,
    picture TEXT
);
"""
COLUMNS = "SELECT id, posted, author, text, picture FROM message"
MATCHES = "(text LIKE :like ESCAPE '\\' OR author LIKE :like ESCAPE '\\')"

# First bytes of the kinds of pictures that browsers show and that hold no scripts.
KINDS = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpg", b"GIF8": "gif"}


class Message(NamedTuple):
    """One message; posted is in seconds since 1970, picture a file name or None."""

    id: int
    posted: int
    author: str
    text: str
    picture: str | None


def folder() -> Path:
    return Path(current_app.config["BOARD"])


def pictures() -> Path:
    return folder() / "pictures"


def open_database(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA journal_mode = WAL")
    # Safe with WAL, but for the last messages before a power cut; one wait for the disk less for each.
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def connect() -> sqlite3.Connection:
    """The connection of this request."""
    if "database" not in g:
        g.database = open_database(folder() / "board.sqlite")
    return cast("sqlite3.Connection", g.database)


def close(_: BaseException | None = None) -> None:
    database = g.pop("database", None)
    if database is not None:
        database.close()


def create() -> bool:
    """Make what is missing; True if the board is empty."""
    pictures().mkdir(exist_ok=True)
    connect().executescript(TABLES)
    return count() == 0


def pattern(query: str) -> dict[str, str]:
    """The query as it stands: % and _ mean themselves."""
    for special in "\\%_":
        query = query.replace(special, "\\" + special)
    return {"like": f"%{query}%"}


def count(query: str = "") -> int:
    (number,) = connect().execute(f"SELECT count(*) FROM message WHERE {MATCHES}", pattern(query)).fetchone()  # noqa: S608
    return int(number)


def newest(query: str = "", *, limit: int, skip: int = 0) -> list[Message]:
    """Newest first."""
    values = {**pattern(query), "limit": limit, "skip": skip}
    rows = connect().execute(f"{COLUMNS} WHERE {MATCHES} ORDER BY id DESC LIMIT :limit OFFSET :skip", values)
    return [Message(*row) for row in rows]


def after(number: int, *, limit: int = 50) -> list[Message]:
    """Those that came later than the message of that number, oldest first."""
    rows = connect().execute(f"{COLUMNS} WHERE id > ? ORDER BY id LIMIT ?", (number, limit))
    return [Message(*row) for row in rows]


def find(number: int) -> Message | None:
    row = connect().execute(f"{COLUMNS} WHERE id = ?", (number,)).fetchone()
    return Message(*row) if row else None


def everything() -> Iterator[Message]:
    """All, oldest first, read while they are used: on a connection of its own, which lives as long as the iteration."""
    with closing(open_database(folder() / "board.sqlite")) as database:
        for row in database.execute(f"{COLUMNS} ORDER BY id"):
            yield Message(*row)


def add(author: str, text: str, picture: str | None = None, posted: float | None = None) -> int:
    """Returns the number of the new message."""
    values = (int(posted or time.time()), author, text, picture)
    with connect() as database:
        row = database.execute("INSERT INTO message (posted, author, text, picture) VALUES (?, ?, ?, ?)", values)
    return cast("int", row.lastrowid)


def kind_of(data: bytes) -> str | None:
    """What the picture is by its content; None for anything that is not shown here."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return next((kind for start, kind in KINDS.items() if data.startswith(start)), None)


def save_picture(data: bytes) -> str | None:
    """Its file name, made of its content; None if it is no picture."""
    kind = kind_of(data)
    if kind is None:
        return None
    name = f"{hashlib.sha256(data).hexdigest()[:32]}.{kind}"
    (pictures() / name).write_bytes(data)
    return name
