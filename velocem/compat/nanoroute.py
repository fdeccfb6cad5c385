"""nanoroute's one class upon Velocem's router: ``from velocem.compat import nanoroute`` for ``import nanoroute``.

What nanoroute refuses for its tree's sake, as ``/users/me`` beside ``/users/:id``, is a route here, and a path longer
than its routes is a miss. A parameter is never empty here; nanoroute takes an empty one within a path.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from velocem._core import RouterBase
from velocem.types import StartResponse, WSGIEnvironment

Target = TypeVar("Target")


class router(RouterBase):  # noqa: N801 - nanoroute's name
    """Routes of nanoroute's syntax: ``:name`` to the next slash, ``*name`` to the end; without a name not told."""

    def __init__(self) -> None:
        self._options(False, False, False, False, True)

    def route(self, methods: str | Iterable[str], route: str, /) -> Callable[[Target], Target]:
        """Add what is decorated, for one method or several."""
        names = (methods,) if isinstance(methods, str) else tuple(methods)

        def decorate(target: Target) -> Target:
            self._register(names, route, target)
            return target

        return decorate

    def get(self, route: str, /) -> Callable[[Target], Target]:
        """GET, and GET only."""
        return self.route("GET", route)

    def post(self, route: str, /) -> Callable[[Target], Target]:
        """POST."""
        return self.route("POST", route)

    def put(self, route: str, /) -> Callable[[Target], Target]:
        """PUT."""
        return self.route("PUT", route)

    def delete(self, route: str, /) -> Callable[[Target], Target]:
        """DELETE."""
        return self.route("DELETE", route)

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse, /) -> Iterable[bytes]:
        """Call the target with ``nanoroute.params`` in environ; LookupError when there is none."""
        target, params = self.lookup(environ["REQUEST_METHOD"], environ["PATH_INFO"])
        environ["nanoroute.params"] = params
        result: Iterable[bytes] = target(environ, start_response)
        return result

    def _register(self, methods: tuple[str, ...], route: str, target: Any) -> None:
        for method in methods:
            if method not in METHODS:
                raise TypeError(f"{method} is not a valid HTTP method")
        if not methods:
            return
        pattern, names = translate(route)
        try:
            number = self._add(methods, pattern, "", False, target, None, names)
        except ValueError as error:
            raise TypeError(f"Invalid wildcard: {error}") from None
        if number < 0:
            raise TypeError("Handle already exists")


METHODS = frozenset({
    "ACL", "BIND", "CHECKOUT", "CONNECT", "COPY", "DELETE", "GET", "HEAD", "LINK", "LOCK", "M-SEARCH", "MERGE",
    "MKACTIVITY", "MKCALENDAR", "MKCOL", "MOVE", "NOTIFY", "OPTIONS", "PATCH", "POST", "PROPFIND", "PROPPATCH", "PURGE",
    "PUT", "REBIND", "REPORT", "SEARCH", "SOURCE", "SUBSCRIBE", "TRACE", "UNBIND", "UNLINK", "UNLOCK", "UNSUBSCRIBE",
})  # fmt: skip


def translate(route: str) -> tuple[str, tuple[str | None, ...]]:
    """A pattern of ours, and the names of its parameters."""
    names: list[str | None] = []
    segments = route.split("/")
    return "/".join(_segment(segment, names, last=i == len(segments) - 1) for i, segment in enumerate(segments)), tuple(
        names
    )


def _segment(segment: str, names: list[str | None], *, last: bool) -> str:
    marks = [i for i, c in enumerate(segment) if c in ":*"]
    literal = segment[: marks[0]] if marks else segment
    text = literal.replace("{", "{{").replace("}", "}}")
    if not marks:
        return text
    if len(marks) > 1 or (segment[marks[0]] == "*" and not last):
        raise TypeError("Invalid wildcard")
    names.append(segment[marks[0] + 1 :] or None)
    kind = ":path" if segment[marks[0]] == "*" else ""
    return f"{text}{{p{len(names)}{kind}}}"
