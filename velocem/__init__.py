"""Velocem, a web server and a framework for Python whose core is C: the public names, and nothing else."""

__version__ = "0.1.0"

import importlib
from typing import TYPE_CHECKING

from velocem.server import Server, run

if TYPE_CHECKING:
    from velocem import metrics
    from velocem.accelerators import accelerate
    from velocem.app import App
    from velocem.background import Background
    from velocem.events import Event, EventStream
    from velocem.exceptions import (
        BadRequest,
        Conflict,
        ContentTooLarge,
        Forbidden,
        Gone,
        HTTPError,
        Invalid,
        MethodNotAllowed,
        NotAcceptable,
        NotFound,
        PreconditionFailed,
        ServiceUnavailable,
        TooManyRequests,
        Unauthorized,
        UnsupportedMediaType,
        WebSocketClosed,
    )
    from velocem.groups import Group
    from velocem.headers import Headers
    from velocem.loop import EventLoop, EventLoopPolicy, install, new_event_loop
    from velocem.params import Body, Cookie, Depends, Form, Header, Name, Path, Query
    from velocem.pipeline import Next
    from velocem.policies import Compress, Cors, Limits, RequestId
    from velocem.requests import Request
    from velocem.responses import File, Html, Problem, Redirect, Response
    from velocem.router import Router
    from velocem.sessions import Session, Sessions
    from velocem.templates import Templates
    from velocem.testing import AsyncClient, Client
    from velocem.uploads import Upload
    from velocem.websocket import WebSocket

# Where each name that is not a server's is: what is not asked for is not imported, so that a server is up sooner.
PLACES = {
    "accelerators": ("accelerate",),
    "app": ("App",),
    "background": ("Background",),
    "events": ("Event", "EventStream"),
    "exceptions": (
        "BadRequest",
        "Conflict",
        "ContentTooLarge",
        "Forbidden",
        "Gone",
        "HTTPError",
        "Invalid",
        "MethodNotAllowed",
        "NotAcceptable",
        "NotFound",
        "PreconditionFailed",
        "ServiceUnavailable",
        "TooManyRequests",
        "Unauthorized",
        "UnsupportedMediaType",
        "WebSocketClosed",
    ),
    "groups": ("Group",),
    "headers": ("Headers",),
    "loop": ("EventLoop", "EventLoopPolicy", "install", "new_event_loop"),
    "params": ("Body", "Cookie", "Depends", "Form", "Header", "Name", "Path", "Query"),
    "pipeline": ("Next",),
    "policies": ("Compress", "Cors", "Limits", "RequestId"),
    "requests": ("Request",),
    "responses": ("File", "Html", "Problem", "Redirect", "Response"),
    "router": ("Router",),
    "sessions": ("Session", "Sessions"),
    "templates": ("Templates",),
    "testing": ("AsyncClient", "Client"),
    "uploads": ("Upload",),
    "websocket": ("WebSocket",),
}
MODULES = {name: f"velocem.{module}" for module, names in PLACES.items() for name in names}

__all__ = [
    "App",
    "AsyncClient",
    "Background",
    "BadRequest",
    "Body",
    "Client",
    "Compress",
    "Conflict",
    "ContentTooLarge",
    "Cookie",
    "Cors",
    "Depends",
    "Event",
    "EventLoop",
    "EventLoopPolicy",
    "EventStream",
    "File",
    "Forbidden",
    "Form",
    "Gone",
    "Group",
    "HTTPError",
    "Header",
    "Headers",
    "Html",
    "Invalid",
    "Limits",
    "MethodNotAllowed",
    "Name",
    "Next",
    "NotAcceptable",
    "NotFound",
    "Path",
    "PreconditionFailed",
    "Problem",
    "Query",
    "Redirect",
    "Request",
    "RequestId",
    "Response",
    "Router",
    "Server",
    "ServiceUnavailable",
    "Session",
    "Sessions",
    "Templates",
    "TooManyRequests",
    "Unauthorized",
    "UnsupportedMediaType",
    "Upload",
    "WebSocket",
    "WebSocketClosed",
    "__version__",
    "accelerate",
    "install",
    "metrics",
    "new_event_loop",
    "run",
]


def __getattr__(name: str) -> object:
    """What a server of other applications does not need."""
    if name == "metrics":
        return importlib.import_module("velocem.metrics")
    if name not in MODULES:
        raise AttributeError(f"module 'velocem' has no attribute {name!r}")
    return getattr(importlib.import_module(MODULES[name]), name)
