"""Posts: list, read, write, change, delete."""

import sqlite3

from flask import Blueprint, abort, flash, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from flaskr import db
from flaskr.auth import login_required

pages = Blueprint("blog", __name__)

PAGE = 5
POSTS = "SELECT post.*, account.name FROM post JOIN account ON account.id = post.author"


def index() -> str:
    page = max(request.args.get("page", 1, int), 1)
    found = db.connect().execute(f"{POSTS} ORDER BY post.id DESC LIMIT ? OFFSET ?", (PAGE + 1, PAGE * (page - 1)))
    rows = found.fetchall()
    return render_template("blog/index.html", posts=rows[:PAGE], page=page, more=len(rows) > PAGE)


def get_post(number: int, *, own: bool = False) -> sqlite3.Row:
    post: sqlite3.Row | None = db.connect().execute(f"{POSTS} WHERE post.id = ?", (number,)).fetchone()
    if post is None:
        abort(404, f"There is no post {number}.")
    if own and post["author"] != g.account["id"]:
        abort(403, "This post is not yours.")
    return post


@pages.get("/<int:number>")
def show(number: int) -> str:
    return render_template("blog/show.html", post=get_post(number))


@pages.route("/create", methods=["GET", "POST"])
@login_required
def create() -> str | Response:
    if request.method == "POST" and is_complete():
        values = (g.account["id"], request.form["title"], request.form["body"])
        with db.connect() as connection:
            row = connection.execute("INSERT INTO post (author, title, body) VALUES (?, ?, ?)", values)
        return redirect(url_for("blog.show", number=row.lastrowid))
    return render_template("blog/form.html", post=request.form)


@pages.route("/<int:number>/update", methods=["GET", "POST"])
@login_required
def update(number: int) -> str | Response:
    post = get_post(number, own=True)
    if request.method == "POST" and is_complete():
        values = (request.form["title"], request.form["body"], number)
        with db.connect() as connection:
            connection.execute("UPDATE post SET title = ?, body = ? WHERE id = ?", values)
        return redirect(url_for("blog.show", number=number))
    return render_template("blog/form.html", post=request.form or post)


@pages.post("/<int:number>/delete")
@login_required
def delete(number: int) -> Response:
    get_post(number, own=True)
    with db.connect() as connection:
        connection.execute("DELETE FROM post WHERE id = ?", (number,))
    flash("The post is gone.")
    return redirect(url_for("index"))


def is_complete() -> bool:
    if request.form["title"]:
        return True
    flash("A title is needed.")
    return False
