"""Answers with the length of the body, which the server has read."""

from __future__ import annotations  # its newest CPython is 3.7

from typing import Any

from japronto import Application


def post(request: Any) -> Any:
    return request.Response(text=str(len(request.body)))


app = Application()
app.router.add_route("/", post)
