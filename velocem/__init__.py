"""Velocem, a web server for Python applications whose core is C: the public names, and nothing else."""

__version__ = "0.1.0"

import importlib
from typing import TYPE_CHECKING

from velocem.server import Server, run

if TYPE_CHECKING:
    from velocem import metrics
    from velocem.accelerators import accelerate
    from velocem.loop import EventLoop, EventLoopPolicy, install, new_event_loop
    from velocem.router import Router

__all__ = [
    "EventLoop",
    "EventLoopPolicy",
    "Router",
    "Server",
    "__version__",
    "accelerate",
    "install",
    "metrics",
    "new_event_loop",
    "run",
]


def __getattr__(name: str) -> object:
    """What a WSGI server does not need, so that it is up sooner: the event loop imports asyncio."""
    if name not in __all__:
        raise AttributeError(f"module 'velocem' has no attribute {name!r}")
    module = {"Router": "velocem.router", "accelerate": "velocem.accelerators"}.get(name, "velocem.loop")
    return getattr(importlib.import_module(module), name)
