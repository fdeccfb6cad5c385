"""JSON made of a dict, at a path of its own."""

from __future__ import annotations  # its newest CPython is 3.7

from typing import Any

from japronto import Application


def as_json(request: Any) -> Any:
    return request.Response(json={"message": "Hello, World!"})


app = Application()
app.router.add_route("/json", as_json)
