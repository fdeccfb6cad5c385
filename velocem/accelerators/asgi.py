"""Starlette's and FastAPI's routers: their own search runs over the routes that the path can be."""

# The framework's own types are not all known, and what is used here is private to it.
# pyright: basic, reportPrivateUsage=false

import re
from collections.abc import Callable, Iterable
from types import MethodType
from typing import Any

from starlette._utils import get_route_path
from starlette.applications import Starlette
from starlette.convertors import FloatConvertor, IntegerConvertor, StringConvertor, UUIDConvertor
from starlette.routing import Mount, Router, compile_path

from velocem.accelerators.narrowing import ANYTHING, MOST_ROUTES, Narrowing, Shape

# What takes one segment, and never an empty one.
ONE_SEGMENT = frozenset({StringConvertor, IntegerConvertor, FloatConvertor, UUIDConvertor})
PARAMETER = re.compile(r"{[a-zA-Z_][a-zA-Z0-9_]*(?::[a-zA-Z_][a-zA-Z0-9_]*)?}")
# What matches by code of another package may match as it likes.
TRUSTED = ("starlette.", "fastapi.")


def accelerate(app: Any) -> None:
    """Of an application or a router, and of the routers that are mounted in it."""
    router = app.router if isinstance(app, Starlette) else app
    if not isinstance(router, Router):
        raise TypeError(f"{type(app).__name__} has no router of Starlette's")
    if isinstance(router.middleware_stack, MethodType) and router.middleware_stack.__self__ is router:
        router.middleware_stack = Narrowed(router).app


class View:
    """A router that has some of its routes; all else is that of the whole one."""

    __slots__ = ("_whole", "routes")

    def __init__(self, whole: Any, routes: list[Any]) -> None:
        self._whole = whole
        self.routes = routes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)


class Narrowed:
    """In the place of a router's app."""

    def __init__(self, router: Any) -> None:
        self.router = router
        self.search: Callable[..., Any] = type(router).app
        self.table = Table()

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        router = self.router
        if scope["type"] == "lifespan":
            await self.search(router, scope, receive, send)
            return
        scope.setdefault("router", router)
        routes = self.table.of(router.routes, get_route_path(scope))
        await self.search(router if routes is None else View(router, routes), scope, receive, send)


class Table:
    """The routes of one list, as they were when it was last looked at."""

    def __init__(self) -> None:
        self.routes: list[Any] = []
        self.narrowing: Narrowing | None = None

    def of(self, routes: list[Any], path: str) -> list[Any] | None:
        """Those that the path can be; None: all, in the list as it is."""
        if routes != self.routes or self.narrowing is None:  # identity comes first for each item
            self.learn(routes)
        numbers = self.narrowing.candidates(path) if self.narrowing is not None else None
        return None if numbers is None else [self.routes[number] for number in numbers]

    def learn(self, routes: Iterable[Any]) -> None:
        self.routes = list(routes)
        for route in self.routes:
            if isinstance(route, Mount) and isinstance(route.app, Router):
                accelerate(route.app)
            elif hasattr(route, "effective_candidates"):
                narrow_included(route)
        fits = len(self.routes) <= MOST_ROUTES
        self.narrowing = Narrowing(shape(route) for route in self.routes) if fits else None


def shape(route: Any) -> Shape:
    """Of a route, or of what FastAPI makes of one that it includes."""
    if not is_trusted(getattr(route, "original_route", route)):
        return ANYTHING
    route = getattr(route, "starlette_route", None) or route
    if not is_trusted(route):
        return ANYTHING
    mount = isinstance(route, Mount)
    path, found = getattr(route, "path", None), getattr(route, "path_regex", None)
    if not isinstance(path, str) or found is None or not getattr(route, "param_convertors", None) is not None:
        return ANYTHING
    try:
        expected, _, convertors = compile_path(path + "/{path:path}" if mount else path)
    except (AssertionError, ValueError):
        return ANYTHING
    if expected.pattern != found.pattern or not path.startswith("/"):
        return ANYTHING
    return shape_of(path, convertors, is_open=mount)


def is_trusted(route: Any) -> bool:
    module: str = getattr(getattr(type(route), "matches", None), "__module__", "")
    return module.startswith(TRUSTED) and "matches" not in getattr(route, "__dict__", ())


def shape_of(path: str, convertors: Any, *, is_open: bool) -> Shape:
    segments: list[str | None] = []
    for segment in path.rstrip("/").split("/")[1:]:
        names = [match[0][1:-1].partition(":")[0] for match in PARAMETER.finditer(segment)]
        if any(type(convertors[name]) not in ONE_SEGMENT for name in names):
            return Shape(tuple(segments), True)
        segments.append(None if names else segment)
    return Shape(tuple(segments), is_open)


# --- routers that FastAPI includes: from some version on they keep a search of their own


class IncludedView:
    """An included router that has some of its candidates."""

    __slots__ = ("_some", "_whole")

    def __init__(self, whole: Any, some: list[Any]) -> None:
        self._whole = whole
        self._some = some

    def effective_candidates(self) -> list[Any]:
        return self._some

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)


def narrow_included(included: Any) -> None:
    if "_match" in vars(included) or not callable(getattr(type(included), "_match", None)):
        return
    search, table = type(included)._match, Table()

    def match(scope: Any) -> Any:
        some = table.of(included.effective_candidates(), get_route_path(scope))
        return search(included if some is None else IncludedView(included, some), scope)

    included._match = match
