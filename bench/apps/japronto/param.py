"""A parameter of the path."""

from __future__ import annotations  # its newest CPython is 3.7

from typing import Any

from japronto import Application


def user(request: Any) -> Any:
    return request.Response(text="user " + str(int(request.match_dict["number"])))


app = Application()
app.router.add_route("/users/{number}", user)
