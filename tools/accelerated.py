"""A plugin of pytest's: every router that the framework in $ACCELERATED makes is accelerated as soon as it is there."""

import os
from importlib import import_module
from typing import Any

import velocem

MADE = {"starlette": "starlette.routing.Router", "werkzeug": "werkzeug.routing.Map", "falcon": "falcon.App"}

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
        accelerated += 1

    cls.__init__ = __init__


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Tell how many: none would be no test."""
    terminalreporter.write_line(f"{accelerated} routers accelerated")


accelerate_all(MADE[os.environ["ACCELERATED"]])
