"""What the application knows of the server and of the request that asks."""

import os
import platform
import resource
import time
from typing import Any

from flask import Blueprint, render_template, request

board = Blueprint("server", __name__)

STARTED = time.monotonic()
COOKIE_SHOWN = 24


@board.get("/server")
def about() -> str:
    environ = request.environ
    return render_template("server.html", figures=figures(environ), groups=groups(environ))


def figures(environ: dict[str, Any]) -> list[tuple[str, str]]:
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [
        ("Server", environ.get("SERVER_SOFTWARE", "unknown")),
        (platform.python_implementation(), platform.python_version()),
        ("Process", str(os.getpid())),
        ("Memory, at most", f"{memory:.0f} MB"),
        ("Up for", duration(time.monotonic() - STARTED)),
    ]


def duration(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def groups(environ: dict[str, Any]) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Title, explanation and rows of each table."""
    fields = {name: value for name, value in environ.items() if name.startswith("HTTP_")}
    gateway = {name: value for name, value in environ.items() if name.startswith("wsgi.")}
    request_keys = {
        name: value
        for name, value in environ.items()
        if name.isupper() and name not in fields and name not in os.environ
    }
    return [
        ("Request", "What was asked for, by whom, and where it arrived.", rows(request_keys)),
        ("Header fields", "What your browser sent along, under their names in WSGI.", rows(fields)),
        ("Gateway", "What PEP 3333 has the server put beside the request.", rows(gateway)),
    ]


def rows(values: dict[str, Any]) -> list[tuple[str, str]]:
    return [(name, shown(name, value)) for name, value in sorted(values.items())]


def shown(name: str, value: object) -> str:
    if name == "HTTP_COOKIE":
        return f"{str(value)[:COOKIE_SHOWN]}…"
    if isinstance(value, str):
        return value or "(empty)"
    return repr(value) if isinstance(value, bool | int | tuple) else type(value).__name__
