"""The smallest answer; also what the header, pipelining and connection scenarios ask for."""

from __future__ import annotations  # its newest CPython is 3.7

from typing import Any

from japronto import Application


def hello(request: Any) -> Any:
    return request.Response(text="Hello, World!")


app = Application()
app.router.add_route("/", hello)
