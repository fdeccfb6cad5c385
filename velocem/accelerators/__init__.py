"""The router under frameworks that people have: it finds which routes a path can be, the framework decides as ever."""

import sys
from importlib import import_module
from typing import TypeVar

App = TypeVar("App")

# The package a class comes from, and who accelerates its applications.
KNOWN = {
    "starlette": "asgi",
    "fastapi": "asgi",
    "flask": "wsgi_map",
    "werkzeug": "wsgi_map",
    "django": "resolver",
    "falcon": "falcon",
}


def accelerate(app: App) -> App:
    """Let an application of Starlette, FastAPI, Flask, Werkzeug (a Map), Django or Falcon find its routes by the tree.

    Redirects, 405, mounts, hosts and converters stay the framework's own: routes that cannot be meant are left out of
    its search, and nothing else changes. Routes that are added later are seen. TypeError for anything else.
    """
    for base in type(app).__mro__:
        package = base.__module__.partition(".")[0]
        if package in KNOWN and package in sys.modules:
            module = import_module(f"velocem.accelerators.{KNOWN[package]}")
            module.accelerate(app)
            return app
    raise TypeError(f"{type(app).__name__} is of no framework that can be accelerated: {', '.join(KNOWN)}")
