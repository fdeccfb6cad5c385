"""A page of a Flask application: a signed-in user's list of items, twenty of two hundred, out of SQLite.

As Flask's own tutorial has it: SQL by hand, the user loaded before each request from the session that a cookie names,
a template that extends another, fields for browsers' safety added after.
"""

import sqlite3
import threading

from flask import Flask, Response, abort, g, render_template, request
from jinja2 import DictLoader

PER_PAGE = 20
DATABASE = "file:flask_page?mode=memory&cache=shared"
SCHEMA = """
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE sessions (key TEXT PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES users);
CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price INTEGER NOT NULL, stock INTEGER NOT NULL);
INSERT INTO users VALUES (1, 'Ada <ada@example.org>');
INSERT INTO sessions VALUES ('q8fd1t6mpxv2k0z5r3h7w9yb4c1n6j8s', 1);
"""
LAYOUT = """<!doctype html>
<html lang="en" data-theme="{{ request.cookies.theme or 'light' }}">
<head>
<meta charset="utf-8">
<title>{% block title %}{% endblock %} - Shop</title>
<link rel="stylesheet" href="{{ url_for('static', filename='style.css') }}">
</head>
<body>
<nav><a href="{{ url_for('items') }}">Items</a>
{% if g.user %}<span>{{ g.user.name }}</span>{% else %}<a href="/login">Log in</a>{% endif %}</nav>
{% for message in get_flashed_messages() %}<p class="flash">{{ message }}</p>{% endfor %}
<main>{% block main %}{% endblock %}</main>
</body>
</html>
"""
ITEMS = """{% extends 'layout.html' %}
{% block title %}Items, page {{ page }}{% endblock %}
{% block main %}
<h1>{{ total }} items</h1>
<table>
<tr><th>Name</th><th>Price</th><th>In stock</th></tr>
{% for item in rows %}
<tr{% if not item.stock %} class="sold-out"{% endif %}>
<td><a href="{{ url_for('item', number=item.id) }}">{{ item.name }}</a></td>
<td>{{ item.price | money }}</td>
<td>{{ item.stock or 'none' }}</td>
</tr>
{% endfor %}
</table>
<p>
{% if page > 1 %}<a rel="prev" href="{{ url_for('items', page=page - 1) }}">Back</a>{% endif %}
{% if page < pages %}<a rel="next" href="{{ url_for('items', page=page + 1) }}">On</a>{% endif %}
</p>
{% endblock %}
"""

app = Flask(__name__)
app.config.update(SECRET_KEY="of the benchmark", SESSION_COOKIE_NAME="shop")
app.jinja_loader = DictLoader({"layout.html": LAYOUT, "items.html": ITEMS})
of_thread = threading.local()


def connect() -> sqlite3.Connection:
    connection = sqlite3.connect(DATABASE, uri=True)
    connection.row_factory = sqlite3.Row
    return connection


def database() -> sqlite3.Connection:
    if not hasattr(of_thread, "connection"):
        of_thread.connection = connect()
    return of_thread.connection


def fill(connection: sqlite3.Connection) -> sqlite3.Connection:
    connection.executescript(SCHEMA)
    rows = [(number, f"Item {number}", number * 199, number * 7 % 13) for number in range(1, 201)]
    connection.executemany("INSERT INTO items VALUES (?, ?, ?, ?)", rows)
    connection.commit()
    return connection


keeper = fill(connect())  # the database is gone when its last connection is


@app.template_filter("money")
def money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


@app.before_request
def load_user() -> None:
    found = "SELECT users.* FROM users JOIN sessions ON users.id = user_id WHERE key = ?"
    g.user = database().execute(found, (request.cookies.get("sessionid", ""),)).fetchone()


@app.after_request
def add_fields(response: Response) -> Response:
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    response.headers["Content-Security-Policy"] = "default-src 'self'"
    response.vary.add("Cookie")
    return response


@app.get("/items")
def items() -> str:
    page = request.args.get("page", 1, type=int)
    total = database().execute("SELECT count(*) FROM items").fetchone()[0]
    pages = -(-total // PER_PAGE)
    if not 1 <= page <= pages:
        abort(404)
    some = "SELECT * FROM items ORDER BY id LIMIT ? OFFSET ?"
    rows = database().execute(some, (PER_PAGE, (page - 1) * PER_PAGE)).fetchall()
    return render_template("items.html", rows=rows, page=page, pages=pages, total=total)


@app.get("/items/<int:number>")
def item(number: int) -> str:
    row = database().execute("SELECT * FROM items WHERE id = ?", (number,)).fetchone()
    return row["name"] if row else abort(404)
