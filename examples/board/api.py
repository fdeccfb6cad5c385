"""The board as JSON."""

from typing import Any

from flask import Blueprint, abort, request, url_for
from werkzeug.datastructures import Headers

from examples.board import pages, store, texts

board = Blueprint("api", __name__, url_prefix="/api")

MOST = 100


def describe(message: store.Message) -> dict[str, Any]:
    picture = url_for("board.picture", name=message.picture) if message.picture else None
    return {**message._asdict(), "posted": texts.iso(message.posted), "picture": picture}


@board.get("/messages")
def listing() -> dict[str, Any]:
    """Newest first; q searches, limit and skip choose."""
    query = request.args.get("q", "")
    limit = min(max(request.args.get("limit", 20, int), 1), MOST)
    found = store.newest(query, limit=limit, skip=max(request.args.get("skip", 0, int), 0))
    return {"total": store.count(query), "messages": [describe(message) for message in found]}


@board.get("/messages/<int:number>")
def one(number: int) -> dict[str, Any]:
    message = store.find(number)
    if message is None:
        abort(404, f"There is no message {number}.")
    return describe(message)


@board.post("/messages")
def add() -> tuple[dict[str, Any], int, Headers] | tuple[dict[str, Any], int]:
    """Takes {"author": ..., "text": ...}."""
    sent = request.get_json()
    author, text = (sent.get(name) if isinstance(sent, dict) else None for name in ("author", "text"))
    if not isinstance(author, str) or not isinstance(text, str):
        abort(400, "An object with author and text, both strings, is needed.")
    author, text = author.strip(), text.strip()
    errors = pages.check(author, text)
    if errors:
        return {"errors": errors}, 422
    number = store.add(author, text)
    return one(number), 201, Headers({"Location": url_for("api.one", number=number)})
