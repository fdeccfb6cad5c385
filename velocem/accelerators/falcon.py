"""Falcon's compiled router: a path that only one simple template can be needs no generated code."""

# The framework's own types are not all known, and what is used here is private to it.
# pyright: basic, reportPrivateUsage=false

import re
from typing import Any

from falcon.routing import CompiledRouter

from velocem.accelerators.narrowing import ANYTHING, MOST_ROUTES, Narrowing, Shape

FIELD = re.compile(r"{[a-zA-Z_][a-zA-Z0-9_]*}")


def accelerate(app: Any) -> None:
    """Of an App, WSGI or ASGI, that has Falcon's own router."""
    if type(getattr(app, "_router", None)) is not CompiledRouter:
        raise TypeError(f"{type(app).__name__} has no router of Falcon's own")
    if getattr(app._router_search, "__self__", None) is app._router:
        app._router_search = Narrowed(app._router).find


class Narrowed:
    """In the place of a router's find."""

    def __init__(self, router: Any) -> None:
        self.router = router
        self.compiled: Any = None  # what the table was made for: it changes when a route is added
        self.table: tuple[Narrowing, list[Any]] | None = None

    def find(self, uri: str, req: Any = None) -> Any:
        table = self.table
        if table is None or self.router._find is not self.compiled:
            table = self.learn()
        numbers = table[0].candidates(uri)
        if numbers is not None and len(numbers) == 1 and not uri.endswith("/"):
            node, fields = table[1][numbers[0]]
            if fields is not None:
                segments = uri.split("/")
                params = {name: segments[place] for name, place in fields}
                return node.resource, node.method_map or {}, params, node.uri_template
        return self.router.find(uri, req)

    def learn(self) -> tuple[Narrowing, list[Any]]:
        self.router.find("/")  # compiles, if it has not
        nodes = [node for node in leaves(self.router._roots) if node.resource is not None or node.method_map]
        shapes = [shape(node.uri_template) for node in nodes] if len(nodes) <= MOST_ROUTES else [ANYTHING, ANYTHING]
        self.table = Narrowing(shapes), [(node, fields(node.uri_template)) for node in nodes]
        self.compiled = self.router._find
        return self.table


def leaves(nodes: Any) -> Any:
    for node in nodes:
        if node.uri_template is not None:
            yield node
        yield from leaves(node.children)


def shape(template: str) -> Shape:
    """Any field may be of several segments, or empty, unless it is a plain one."""
    segments: list[str | None] = []
    for segment in template.strip("/").split("/"):
        if "{" in segment and not FIELD.fullmatch(segment):
            return Shape(tuple(segments), True)
        segments.append(None if "{" in segment else segment)
    return Shape(tuple(segments) if segments != [""] else (), False)


def fields(template: str) -> list[tuple[str, int]] | None:
    """Names and places of a simple template's fields."""
    segments = template.split("/")
    if (
        not template.startswith("/")
        or template.endswith("/")
        or any("{" in s and not FIELD.fullmatch(s) for s in segments)
    ):
        return None
    return [(segment[1:-1], place) for place, segment in enumerate(segments) if "{" in segment]
