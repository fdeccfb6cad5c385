"""The pages of the board: list, search, one message, posting; and the pictures."""

from flask import Blueprint, abort, flash, redirect, render_template, request, send_from_directory, session, url_for
from werkzeug.wrappers import Response

from examples.board import store

board = Blueprint("board", __name__)

PER_PAGE = 8
LONGEST_NAME = 40
LONGEST_TEXT = 2000
A_YEAR = 365 * 86400


@board.get("/")
def index() -> str:
    return show_list({}, {})


def show_list(form: dict[str, str], errors: dict[str, str]) -> str:
    """A page of messages beside the form, which keeps what was typed when something is wrong with it."""
    query = request.args.get("q", "").strip()
    total = store.count(query)
    pages = max(1, -(-total // PER_PAGE))
    page = min(max(request.args.get("page", 1, int), 1), pages)
    found = store.newest(query, limit=PER_PAGE, skip=PER_PAGE * (page - 1))
    typed = {"author": session.get("author", ""), "text": "", **form}
    return render_template(
        "index.html", messages=found, query=query, total=total, page=page, pages=pages, form=typed, errors=errors
    )


def check(author: str, text: str, *, has_picture: bool = False) -> dict[str, str]:
    """What is wrong with a message, by field, in words for its author."""
    errors = {}
    if not author:
        errors["author"] = "Please give a name; any will do."
    elif len(author) > LONGEST_NAME:
        errors["author"] = f"A name has at most {LONGEST_NAME} characters."
    if not text and not has_picture:
        errors["text"] = "Please write something, or choose a picture."
    elif len(text) > LONGEST_TEXT:
        errors["text"] = f"A message has at most {LONGEST_TEXT} characters; this one has {len(text)}."
    return errors


@board.post("/")
def post() -> Response | tuple[str, int]:
    form = {name: request.form.get(name, "").strip().replace("\r\n", "\n") for name in ("author", "text")}
    sent = request.files.get("picture")
    data = sent.read() if sent else b""
    errors = check(form["author"], form["text"], has_picture=bool(data))
    if data and not store.kind_of(data):
        errors["picture"] = "This is not a picture in PNG, JPEG, GIF or WebP."
    if errors:
        return show_list(form, errors), 422
    number = store.add(form["author"], form["text"], store.save_picture(data))
    session["author"] = form["author"]
    flash("Your message is on the board.")
    return redirect(url_for("board.index", _anchor=f"m{number}"), 303)


@board.get("/messages/<int:number>")
def message(number: int) -> str:
    found = store.find(number)
    if found is None:
        abort(404, f"There is no message {number}.")
    return render_template("message.html", message=found)


@board.get("/pictures/<name>")
def picture(name: str) -> Response:
    """By wsgi.file_wrapper, so by sendfile; a name stands for one content, so it never changes."""
    response = send_from_directory(store.pictures(), name, max_age=A_YEAR)
    response.cache_control.immutable = True
    return response
