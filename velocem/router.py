"""The router: which of many routes a path is, found by a tree in C; alone, or as a WSGI or ASGI application."""

# pyright: reportPrivateUsage=false

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, TypeVar
from urllib.parse import quote, unquote, unquote_to_bytes

from velocem import exceptions
from velocem._core import Match, RouterBase
from velocem.types import Receive, Scope, Send, StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["BadPath", "Match", "MethodNotAllowed", "NotFound", "Route", "RouteError", "Router"]

Slash = Literal["redirect", "strict", "ignore"]
Order = Literal["narrow", "registration"]
# Takes the text of a segment, and the arguments in the pattern if there are; ValueError: it is none of its kind.
Converter = Callable[..., Any]

Target = TypeVar("Target")
Pieces = list[str | tuple[str, str, str]]

SEGMENT = "-._~!$&'()*+,;=:@"  # beside letters and digits, what stands for itself in a segment (RFC 3986 3.3)


class RouteError(ValueError):
    """A pattern that is none, or a route that is there already; says where both were added."""


class _Told(exceptions.HTTPError):
    """An exception that keeps its path, and makes its text when it is asked for: misses are many."""

    __init__ = Exception.__init__  # pyright: ignore[reportAssignmentType]

    @property
    def path(self) -> Any:
        return self.args[-1]


class NotFound(_Told, exceptions.NotFound, LookupError):
    """No route has the path. Raised by a handler it is the answer that velocem.NotFound is."""

    def __str__(self) -> str:
        return f"no route for {self.path!r}"


class MethodNotAllowed(_Told, exceptions.MethodNotAllowed, LookupError):
    """Routes have the path, but with other methods: ``allow``."""

    @property
    def allow(self) -> tuple[str, ...]:
        methods: tuple[str, ...] = self.args[0]
        return methods

    @property
    def headers(self) -> Mapping[str, str]:  # type: ignore[override]
        return {"allow": ", ".join(self.allow)}

    def __str__(self) -> str:
        return f"{self.path!r} has {', '.join(self.allow)}"


class BadPath(_Told, exceptions.BadRequest, ValueError):
    """No path at all: a broken escape, a NUL, or a parameter that is not UTF-8."""

    def __str__(self) -> str:
        return f"{self.path!r} is no path"


RouterBase._errors(NotFound, MethodNotAllowed, BadPath)


@dataclass(frozen=True, slots=True)
class Route:
    """What was added."""

    methods: tuple[str, ...] | None  # None: any
    pattern: str
    target: Any
    name: str | None
    host: str
    mount: bool
    meta: Any
    place: str  # file:line
    pieces: Pieces

    def __str__(self) -> str:
        methods = "mount" if self.mount else ",".join(self.methods or ("*",))
        return f"{methods} {self.host}{self.pattern} ({self.place})"


class Router(RouterBase):
    """Routes and what they lead to.

    ``slash``: what a path with a slash too many or too few at its end is: a redirect to the right one ("redirect"),
    another path ("strict"), or the same ("ignore"). ``order``: of several routes that fit, the narrower is meant,
    segment by segment ("narrow"), or the one that was added first ("registration"). ``converters``: names for patterns,
    beside str, int, float, uuid, date, path, enum and re.
    """

    def __init__(
        self,
        *,
        slash: Slash = "redirect",
        order: Order = "narrow",
        converters: Mapping[str, Converter] = MappingProxyType({}),
    ) -> None:
        if slash not in {"redirect", "strict", "ignore"}:
            raise ValueError(f"slash is redirect, strict or ignore, not {slash!r}")
        if order not in {"narrow", "registration"}:
            raise ValueError(f"order is narrow or registration, not {order!r}")
        self._slash: Slash = slash
        self._converters = dict(converters)
        self._routes: list[Route] = []
        self._names: dict[str, Route] = {}
        self._probes: dict[tuple[str, str], Router] = {}
        self._options(slash == "ignore", order == "registration", slash == "redirect", True, False)

    # --- adding

    def add(
        self,
        methods: str | Iterable[str] | None,
        pattern: str,
        target: Any,
        *,
        name: str | None = None,
        host: str = "",
        meta: Any = None,
    ) -> Route:
        """Add a route for one method, for several, or for any (None, "*")."""
        return self._put(Route(_methods(methods), pattern, target, name, host, False, meta, _place(), []))

    def mount(self, prefix: str, target: Any, *, name: str | None = None, host: str = "", meta: Any = None) -> Route:
        """Give a path and all below it, with any method, to one target: an application, or another router."""
        return self._put(Route(None, prefix or "/", target, name, host, True, meta, _place(), []))

    def merge(self, other: "Router", prefix: str = "") -> None:
        """Add the routes of another, below a prefix."""
        for name, converter in other._converters.items():
            if self._converters.setdefault(name, converter) is not converter:
                raise RouteError(f"two converters are called {name}")
        for route in other._routes:
            self._put(replace(route, pattern=prefix.rstrip("/") + route.pattern, pieces=[]))

    def _put(self, route: Route) -> Route:
        try:
            pieces = self._pieces(route.pattern)
            self._check(pieces, route.name)
            route.pieces.extend(pieces)
            number = self._add(route.methods, route.pattern, route.host, route.mount, route.target, route)
        except ValueError as error:
            raise RouteError(f"{route}: {error}") from None
        if number < 0:
            raise RouteError(f"{route} is there already: {self._routes[-1 - number]}")
        self._routes.append(route)
        if route.name is not None:
            self._names[route.name] = route
        return route

    def _check(self, pieces: Pieces, name: str | None) -> None:
        if name is not None and name in self._names:
            raise ValueError(f"its name is that of {self._names[name]}")
        for piece in pieces:
            if isinstance(piece, tuple) and piece[1] == "re":
                try:
                    re.compile(piece[2])
                except re.error as error:
                    raise ValueError(f"{piece[2]!r} is no expression: {error}") from None
            elif isinstance(piece, tuple) and piece[1] not in BUILT_IN | self._converters.keys():
                raise ValueError(f"there is no converter {piece[1]!r}")

    def _converter(self, name: str, args: str) -> Callable[[str], Any]:
        """For the core: what takes the text of a parameter."""
        if name == "re":
            return re.compile(args).fullmatch
        converter = self._converters[name]
        return (lambda value: converter(value, args)) if args else converter

    # --- decorators

    def route(
        self,
        methods: str | Iterable[str] | None,
        pattern: str,
        *,
        name: str | None = None,
        host: str = "",
        meta: Any = None,
    ) -> Callable[[Target], Target]:
        """Add what is decorated, which stays as it is."""

        def decorate(target: Target) -> Target:
            self.add(methods, pattern, target, name=name, host=host, meta=meta)
            return target

        return decorate

    def get(
        self, pattern: str, *, name: str | None = None, host: str = "", meta: Any = None
    ) -> Callable[[Target], Target]:
        """GET, and HEAD where no other route has it."""
        return self.route("GET", pattern, name=name, host=host, meta=meta)

    def post(
        self, pattern: str, *, name: str | None = None, host: str = "", meta: Any = None
    ) -> Callable[[Target], Target]:
        """POST."""
        return self.route("POST", pattern, name=name, host=host, meta=meta)

    def put(
        self, pattern: str, *, name: str | None = None, host: str = "", meta: Any = None
    ) -> Callable[[Target], Target]:
        """PUT."""
        return self.route("PUT", pattern, name=name, host=host, meta=meta)

    def patch(
        self, pattern: str, *, name: str | None = None, host: str = "", meta: Any = None
    ) -> Callable[[Target], Target]:
        """PATCH."""
        return self.route("PATCH", pattern, name=name, host=host, meta=meta)

    def delete(
        self, pattern: str, *, name: str | None = None, host: str = "", meta: Any = None
    ) -> Callable[[Target], Target]:
        """DELETE."""
        return self.route("DELETE", pattern, name=name, host=host, meta=meta)

    def head(
        self, pattern: str, *, name: str | None = None, host: str = "", meta: Any = None
    ) -> Callable[[Target], Target]:
        """HEAD."""
        return self.route("HEAD", pattern, name=name, host=host, meta=meta)

    def options(
        self, pattern: str, *, name: str | None = None, host: str = "", meta: Any = None
    ) -> Callable[[Target], Target]:
        """OPTIONS."""
        return self.route("OPTIONS", pattern, name=name, host=host, meta=meta)

    def ws(
        self, pattern: str, *, name: str | None = None, host: str = "", meta: Any = None
    ) -> Callable[[Target], Target]:
        """WEBSOCKET, which is what the ASGI face asks for when a WebSocket is opened."""
        return self.route("WEBSOCKET", pattern, name=name, host=host, meta=meta)

    # --- telling

    @property
    def routes(self) -> tuple[Route, ...]:
        """All of them, as they were added."""
        return tuple(self._routes)

    def url(self, name: str, /, **params: Any) -> str:
        """Build the path of a named route; LookupError when there is none, ValueError for what it does not take."""
        route = self._names.get(name)
        if route is None:
            raise LookupError(f"no route is called {name!r}")
        wanted = {piece[0] for piece in route.pieces if isinstance(piece, tuple)}
        if wanted != params.keys():
            raise TypeError(f"{route} has the parameters {sorted(wanted)}, not {sorted(params)}")
        return "".join(
            quote(piece, safe="/" + SEGMENT) if isinstance(piece, str) else self._value(piece, params[piece[0]])
            for piece in route.pieces
        )

    def _value(self, piece: tuple[str, str, str], value: Any) -> str:
        """The text for a value, by asking a router of this one parameter whether it would take it."""
        name, kind, args = piece
        encoded = quote(str(value), safe=("/" if kind == "path" else "") + SEGMENT)
        if self._probe(kind, args).match("", f"/{encoded}") is None:
            raise ValueError(f"{name!r} is {kind}, which does not take {value!r}")
        return encoded

    def _probe(self, kind: str, args: str) -> "Router":
        probe = self._probes.get((kind, args))
        if probe is None:
            probe = self._probes[kind, args] = Router(slash="strict", converters=self._converters)
            probe.add(None, f"/{{value:{kind}({args})}}" if args else f"/{{value:{kind}}}", None)
        return probe

    def explain(self, method: str, path: str, host: str | None = None) -> str:
        """Say what a request leads to, what else would have the path, and what is slow about it."""
        lines = [f"{method} {path}"]
        try:
            found = self.match(method, path, host)
        except BadPath:
            return "\n".join([*lines, "  400: this is no path"])
        lines.append(f"  {_verdict(found)}; {self._visited(method, path, host)} steps")
        everyone = Router(slash=self._slash, order="registration", converters=self._converters)
        for route in self._routes:
            everyone._put(replace(route, name=None, pieces=[]))
        for number in everyone._candidates(path, host):
            route = self._routes[number]
            if found is None or route is not found.route:
                lines.append(f"  also has the path: {route}")
            lines += [f"  slow: {piece[1]}({piece[2]}) of {route} is asked in Python" for piece in _slow(route)]
        return "\n".join(lines)

    # --- as an application

    def wsgi(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Call the target, a WSGI application; parameters are in ``velocem.params`` and ``wsgiorg.routing_args``."""
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO") or "/"
        try:
            found = self.match(method, path.encode("latin-1"), environ.get("HTTP_HOST"), decoded=True)
        except BadPath:
            return _plain(start_response, "400 Bad Request")
        if found is None:
            return _plain(start_response, "404 Not Found")
        if found.route is None:
            return _plain(start_response, *_refusal(method, found.allow))
        if found.slash:
            location = _relative(quote(path.encode("latin-1"), safe="/" + SEGMENT))
            return _plain(start_response, "308 Permanent Redirect", ("Location", _with_query(location, environ)))
        params = {**environ.get("velocem.params", {}), **found.params}  # of a router that this one is mounted in, too
        environ["velocem.params"] = params
        environ["wsgiorg.routing_args"] = ((), params)
        if found.route.mount:
            rest = found.rest.encode("utf-8", "surrogateescape").decode("latin-1")
            environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + path[: len(path) - len(rest)]
            environ["PATH_INFO"] = rest
        target: WSGIApplication = found.target.wsgi if isinstance(found.target, Router) else found.target
        return target(environ, start_response)

    async def asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the target, an ASGI application, with the parameters in ``scope["path_params"]``."""
        kind = scope["type"]
        if kind == "lifespan":
            await _lifespan(receive, send)
            return
        method = scope["method"] if kind == "http" else "WEBSOCKET"
        path, decoded = asgi_path(scope)
        try:
            found = self.match(method, path, _asgi_host(scope), decoded=decoded)
        except BadPath:
            await _answer(kind, send, "400 Bad Request")
            return
        if found is None or (found.slash and kind != "http"):
            await _answer(kind, send, "404 Not Found")
        elif found.route is None:
            await _answer(kind, send, *_refusal(method, found.allow))
        elif found.slash:
            location = _relative(quote(path, safe="/" + SEGMENT) if decoded else path)
            query = scope.get("query_string", b"").decode("latin-1")
            await _answer(
                kind, send, "308 Permanent Redirect", ("Location", f"{location}?{query}" if query else location)
            )
        else:
            scope = dict(scope)
            scope["path_params"] = {**scope.get("path_params", {}), **found.params}
            if found.route.mount:
                prefix = path[: len(path) - len(found.rest)]
                scope["root_path"] = scope.get("root_path", "") + (prefix if decoded else unquote(prefix))
            await (found.target.asgi if isinstance(found.target, Router) else found.target)(scope, receive, send)


BUILT_IN = frozenset({"str", "int", "float", "uuid", "date", "path", "enum", "re"})


def _methods(methods: str | Iterable[str] | None) -> tuple[str, ...] | None:
    if methods is None or methods == "*":
        return None
    names = (methods,) if isinstance(methods, str) else tuple(methods)
    if not names or not all(names):
        raise TypeError(f"methods are a str, several, or None for any, not {methods!r}")
    return tuple(dict.fromkeys(name.upper() for name in names))


def _place() -> str:
    """Where the code is that called into this module."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__") == __name__:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _slow(route: Route) -> list[tuple[str, str, str]]:
    return [piece for piece in route.pieces if isinstance(piece, tuple) and piece[1] not in BUILT_IN - {"re"}]


def _verdict(found: Match | None) -> str:
    if found is None:
        return "404: no route has the path"
    if found.route is None:
        return f"405: the path has {', '.join(found.allow)}"
    if found.slash:
        return f"308: a slash at the end apart, it is {found.route}"
    return f"{found.route} with {found.params}"


# --- answers of the router's own


def _refusal(method: str, allow: tuple[str, ...]) -> tuple[str, tuple[str, str]]:
    """What a method gets that the path has not; OPTIONS is told which there are."""
    names = ", ".join(sorted({*allow, "OPTIONS"} - {"WEBSOCKET"}))
    return "204 No Content" if method == "OPTIONS" else "405 Method Not Allowed", ("Allow", names)


def _body(status: str) -> tuple[list[tuple[str, str]], bytes]:
    if status.startswith("204"):
        return [], b""
    body = status[4:].encode() + b"\n"
    return [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))], body


def _plain(start_response: StartResponse, status: str, *fields: tuple[str, str]) -> list[bytes]:
    headers, body = _body(status)
    start_response(status, [*headers, *fields])
    return [body] if body else []


async def _answer(kind: str, send: Send, status: str, *fields: tuple[str, str]) -> None:
    if kind == "websocket":
        await send({"type": "websocket.close", "code": 1000, "reason": ""})
        return
    headers, body = _body(status)
    pairs = [(name.lower().encode(), value.encode("latin-1")) for name, value in (*headers, *fields)]
    await send({"type": "http.response.start", "status": int(status[:3]), "headers": pairs})
    await send({"type": "http.response.body", "body": body})


def _relative(path: str) -> str:
    """To the path with a slash more or less: relative, so that no proxy in front has to be known (RFC 3986 4.2)."""
    if path.endswith("/"):
        return "../" + path[:-1].rpartition("/")[2]
    return "./" + path.rpartition("/")[2] + "/"


def _with_query(location: str, environ: WSGIEnvironment) -> str:
    query = environ.get("QUERY_STRING")
    return f"{location}?{query}" if query else location


# --- ASGI's ways of saying things


def asgi_path(scope: Scope) -> tuple[str, bool]:
    """The path below root_path, and whether it is decoded: raw_path is taken where it says more and the same."""
    path: str = scope["path"]
    raw: bytes = scope.get("raw_path") or b""
    root: str = scope.get("root_path", "").rstrip("/")
    if b"%" in raw and unquote_to_bytes(raw) == path.encode("utf-8", "surrogateescape"):
        text, prefix = raw.decode("latin-1"), quote(root, safe="/" + SEGMENT)
        if prefix and unquote(text[: len(prefix)]) == root:
            return text[len(prefix) :] or "/", False
        if not root:
            return text, False
    if root and path.startswith(root) and path[len(root) : len(root) + 1] in {"", "/"}:
        path = path[len(root) :]
    return path or "/", True


def _asgi_host(scope: Scope) -> str | None:
    for name, value in scope.get("headers", ()):
        if name == b"host":
            return str(value, "latin-1")
    return None


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await send({"type": "lifespan.shutdown.complete"})
            return
