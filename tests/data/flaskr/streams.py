"""Responses that are written while they are sent."""

import csv
import io
import time
from collections.abc import Iterator

from flask import Blueprint, request, stream_with_context
from flask.wrappers import Response

from flaskr import db

pages = Blueprint("streams", __name__)

# When a response of endless() was closed.
CLOSINGS: list[float] = []


@pages.get("/posts.csv")
def posts() -> Response:
    return Response(stream_with_context(rows()), mimetype="text/csv")


def rows() -> Iterator[str]:
    """One line of CSV a row, from a cursor that stays open."""
    yield line(["id", "title", "body"])
    for row in db.connect().execute("SELECT id, title, body FROM post ORDER BY id"):
        yield line(row)


def line(values: object) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(values)  # type: ignore[arg-type]
    return text.getvalue()


@pages.get("/clock")
def clock() -> Response:
    """Tell the time, some times, with pauses: a reader sees each line when it is written."""
    return Response(tick(request.args.get("count", 3, int)), mimetype="text/plain")


def tick(count: int) -> Iterator[str]:
    for _ in range(count):
        yield f"{time.monotonic()}\n"
        time.sleep(0.05)


@pages.get("/endless")
def endless() -> Response:
    """Send until the client goes; closings() counts how often that was noticed."""
    response = Response(b"%09d\n" % number for number in range(10**9))
    response.call_on_close(lambda: CLOSINGS.append(time.monotonic()))
    return response


@pages.post("/echo")
def echo() -> Response:
    """The body of the request, read by lines and sent as it is read."""
    return Response(stream_with_context(iter(request.stream.readline, b"")), mimetype=request.mimetype)


@pages.get("/closings")
def closings() -> dict[str, int]:
    return {"closings": len(CLOSINGS)}
