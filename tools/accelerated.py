"""Every router that the framework in $ACCELERATED makes is accelerated as soon as it is there.

As a plugin of pytest's, or run in the folder of Django's tests with the arguments of its runtests.py.
"""

import os
import runpy
import sys
from importlib import import_module
from typing import Any

import velocem

MADE = {
    "starlette": "starlette.routing.Router",
    "fastapi": "starlette.routing.Router",
    "werkzeug": "werkzeug.routing.Map",
    "flask": "werkzeug.routing.Map",
    "django": "django.urls.resolvers.URLResolver",
    "falcon": "falcon.App",
}

accelerated = 0


def accelerate_all(path: str) -> None:
    module, _, name = path.rpartition(".")
    cls: Any = getattr(import_module(module), name)
    original = cls.__init__

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        global accelerated  # noqa: PLW0603
        original(self, *args, **kwargs)
        try:
            velocem.accelerate(self)
        except TypeError:  # with a router that is not the framework's own
            return
        accelerated += name != "URLResolver" or "resolve" in vars(self)

    cls.__init__ = __init__


def told() -> str:
    return f"{accelerated} routers accelerated"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    terminalreporter.write_line(told())


def pytest_sessionfinish(session: Any) -> None:
    """None would be no test."""
    if accelerated == 0:
        session.exitstatus = 1


def run_django() -> int:
    sys.path.insert(0, os.getcwd())
    sys.argv[0] = "runtests.py"
    status: Any = 0
    try:
        runpy.run_path("runtests.py", run_name="__main__")
    except SystemExit as stop:
        status = stop.code
    print(told())
    return 1 if status or accelerated == 0 else 0


def serve_flask() -> None:
    """Its fixtures use a name of pytest 8's."""
    module: Any = import_module("_pytest.monkeypatch")
    module.notset = getattr(module, "notset", module.NOTSET)


accelerate_all(MADE[os.environ["ACCELERATED"]])
if os.environ["ACCELERATED"] == "flask":
    serve_flask()
if __name__ == "__main__":
    sys.exit(run_django())
