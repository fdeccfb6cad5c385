"""What is sent while it is made: the live page, its events, and all messages as CSV."""

import csv
import io
from collections.abc import Iterable, Iterator
from functools import partial

from flask import Blueprint, render_template, request, stream_template, stream_with_context
from flask.wrappers import Response

from examples.board import store, texts

board = Blueprint("feed", __name__)

SHOWN = 12
RETRY_MS = 1500


@board.get("/live")
def live() -> Response:
    """The head of the page leaves before the messages are read: the template calls for them on its way."""
    return Response(stream_template("live.html", newest=partial(store.newest, limit=SHOWN)))


@board.get("/live/events")
def events() -> Response:
    """Messages later than the last one seen, as server-sent events.

    The response ends with them and the browser asks again, so that no request occupies the server while nothing
    happens.
    """
    last = request.headers.get("Last-Event-ID") or request.args.get("after", "0")
    number = int(last) if last.isdecimal() else 0
    return Response(stream_with_context(event_stream(number)), mimetype="text/event-stream")


def event_stream(number: int) -> Iterator[str]:
    yield f"retry: {RETRY_MS}\n\n"
    for message in store.after(number):
        lines = render_template("one.html", message=message).splitlines()
        yield f"id: {message.id}\n" + "".join(f"data: {line}\n" for line in lines) + "\n"


@board.get("/messages.csv")
def everything() -> Response:
    """However many they are, one row is in memory at a time."""
    response = Response(stream_with_context(rows()), mimetype="text/csv")
    response.headers["Content-Disposition"] = "attachment; filename=messages.csv"
    return response


def rows() -> Iterator[str]:
    yield line(store.Message._fields)
    for message in store.everything():
        yield line(message._replace(posted=texts.iso(message.posted)))  # type: ignore[arg-type]


def line(values: Iterable[object]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(values)
    return text.getvalue()
