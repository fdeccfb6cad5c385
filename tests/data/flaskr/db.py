"""The SQLite database: one connection a request, closed with it."""

import sqlite3
from typing import cast

from flask import Flask, current_app, g


def connect() -> sqlite3.Connection:
    if "connection" not in g:
        g.connection = sqlite3.connect(current_app.config["DATABASE"])
        g.connection.row_factory = sqlite3.Row
        g.connection.execute("PRAGMA foreign_keys = ON")
    return cast("sqlite3.Connection", g.connection)


def close(_: BaseException | None = None) -> None:
    connection = g.pop("connection", None)
    if connection is not None:
        connection.close()


def create() -> None:
    """Make the tables if there are none; another worker may be doing that as well."""
    connection = connect()
    if not connection.execute("SELECT name FROM sqlite_master WHERE name = 'post'").fetchone():
        with current_app.open_resource("schema.sql", "r") as script:
            connection.executescript(script.read())


def init_app(app: Flask) -> None:
    app.teardown_appcontext(close)
    with app.app_context():
        create()
