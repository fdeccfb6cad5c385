"""Groups of routes: a prefix, tags, hooks and error handlers that all routes of a group have."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, TypeVar, Unpack

from velocem.exceptions import StartError

F = TypeVar("F", bound=Callable[..., Any])
E = TypeVar("E", bound=type[BaseException])
Function = Callable[..., Any]
Errors = Mapping[type[BaseException], Function]

WEBSOCKET = "WEBSOCKET"  # as the router calls it


class RouteOptions(TypedDict, total=False):
    """What a route may say of itself, beside its path.

    ``name`` is what ``app.url()`` knows it by, the function's own name unless given. ``status`` is that of what the
    handler returns, 200. ``blocking=True`` runs a ``def`` handler in a thread. ``body_limit`` is in bytes, or as
    "2MB". ``host`` is the Host it is for, as the router has it. ``tags``, ``summary``, ``description`` and
    ``deprecated`` are for the documentation, which ``hidden=True`` keeps it out of.
    """

    name: str
    status: int
    blocking: bool
    body_limit: int | str
    host: str
    tags: Sequence[str]
    summary: str
    description: str
    deprecated: bool
    hidden: bool
    subprotocols: Sequence[str]
    message_limit: int | str


@dataclass(frozen=True, slots=True, eq=False)
class Endpoint:
    """One route as it was written, with what its groups add; hooks from the outermost group to the innermost."""

    methods: tuple[str, ...] | None
    pattern: str
    function: Function
    place: str
    options: RouteOptions
    before: tuple[Function, ...] = ()
    after: tuple[Function, ...] = ()  # the innermost first: the way back
    around: tuple[Function, ...] = ()
    errors: tuple[Errors, ...] = ()  # the innermost first

    def __str__(self) -> str:
        return f"{','.join(self.methods or ('*',))} {self.options.get('host', '')}{self.pattern}"


class Group:
    """Routes below a prefix: ``api = Group("/api", tags=["api"], before=[require_key])``, then ``app.include(api)``.

    ``before`` hooks run before the handler, the outermost group's first: one that returns something has answered.
    ``after`` hooks take ``res: Response`` and may change it or return another. ``around`` hooks take ``call``, and
    return what ``await call()`` gave, or something else. All take arguments as handlers do. ``blocking`` and ``host``
    are for routes that do not say them.
    """

    def __init__(
        self,
        prefix: str = "",
        *,
        tags: Sequence[str] = (),
        before: Iterable[Function] = (),
        after: Iterable[Function] = (),
        around: Iterable[Function] = (),
        blocking: bool = False,
        host: str = "",
    ) -> None:
        if prefix and (not prefix.startswith("/") or prefix.endswith("/")):
            raise ValueError(f"a prefix is empty, or begins with a slash and ends with none, not {prefix!r}")
        self.prefix = prefix
        self.tags = tuple(tags)
        self._before = list(before)
        self._after = list(after)
        self._around = list(around)
        self._blocking = blocking
        self._host = host
        self._errors: dict[type[BaseException], Function] = {}
        self._routes: list[Endpoint] = []
        self._groups: list[Group] = []
        self._parents: list[Group] = []
        self.revision = 0  # cores are made again when it is another

    # --- routes

    def route(
        self, methods: str | Iterable[str] | None, pattern: str, **options: Unpack[RouteOptions]
    ) -> Callable[[F], F]:
        """Have a function answer one method, several, or any (None), of a path. The function stays as it is."""
        names = None if methods is None else tuple([methods] if isinstance(methods, str) else methods)
        place = caller()

        def decorate(function: F) -> F:
            upper = None if names is None else tuple(name.upper() for name in names)
            self._routes.append(Endpoint(upper, pattern, function, place, options))
            self._changed()
            return function

        return decorate

    def get(self, pattern: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """GET, and HEAD where no other route has it: ``@app.get("/users/{id:int}")``."""
        return self.route("GET", pattern, **options)

    def post(self, pattern: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """POST."""
        return self.route("POST", pattern, **options)

    def put(self, pattern: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """PUT."""
        return self.route("PUT", pattern, **options)

    def patch(self, pattern: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """PATCH."""
        return self.route("PATCH", pattern, **options)

    def delete(self, pattern: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """DELETE."""
        return self.route("DELETE", pattern, **options)

    def head(self, pattern: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """HEAD, where it is not to be what GET is without its body."""
        return self.route("HEAD", pattern, **options)

    def options(self, pattern: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """OPTIONS, which is otherwise answered with the methods that there are."""
        return self.route("OPTIONS", pattern, **options)

    def ws(
        self,
        pattern: str,
        *,
        name: str | None = None,
        host: str | None = None,
        subprotocols: Sequence[str] = (),
        message_limit: int | str | None = None,
    ) -> Callable[[F], F]:
        """A WebSocket: ``async def chat(ws: WebSocket[Msg, Msg], room: str)``; its arguments are a handler's.

        ``before`` hooks run before the handshake is answered, the others do not. Of ``subprotocols`` the first that the
        client offers is taken. ``message_limit`` is of what comes, in bytes or as "64k".
        """
        options: RouteOptions = {"subprotocols": tuple(subprotocols), "hidden": True}
        if name is not None:
            options["name"] = name
        if host is not None:
            options["host"] = host
        if message_limit is not None:
            options["message_limit"] = message_limit
        return self.route(WEBSOCKET, pattern, **options)

    # --- hooks

    def before(self, function: F) -> F:
        """Have it run before every handler of the group; what it returns, if not None, is the response."""
        self._before.append(function)
        self._changed()
        return function

    def after(self, function: F) -> F:
        """Have it run after every handler, with ``res: Response``; also when the handler raised what has a status."""
        self._after.append(function)
        self._changed()
        return function

    def around(self, function: F) -> F:
        """Have it run in place of every handler, with ``call``, which runs what is inside and gives its Response."""
        self._around.append(function)
        self._changed()
        return function

    def error(self, kind: type[BaseException]) -> Callable[[F], F]:
        """Have a function answer for an exception and those derived from it: ``def duplicate(e: IntegrityError)``.

        It takes the exception, and a Request, the App or a resource of the lifespan where it asks for them. TypeError
        for what is no class of exceptions.
        """
        if not issubclass(kind, BaseException):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"an error handler is for a class of exceptions, not {kind!r}")

        def decorate(function: F) -> F:
            if kind in self._errors:
                raise StartError(f"two functions answer for {kind.__name__}: {caller()}")
            self._errors[kind] = function
            self._changed()
            return function

        return decorate

    def include(self, group: "Group") -> None:
        """Add the routes of another group, below this one's prefix. ValueError for one that holds this one."""
        if group is self or self in group.groups():
            raise ValueError("a group cannot be inside itself")
        self._groups.append(group)
        group._parents.append(self)
        self._changed()

    # --- for the application

    def groups(self) -> Iterator["Group"]:
        """Those in it, and in those."""
        for group in self._groups:
            yield group
            yield from group.groups()

    def endpoints(self) -> Iterator[Endpoint]:
        """All routes, as they are with all that their groups say."""
        inner = [*self._routes, *(one for group in self._groups for one in group.endpoints())]
        for one in inner:
            yield Endpoint(
                one.methods,
                self.prefix + one.pattern,
                one.function,
                one.place,
                self._options(one.options),
                (*self._before, *one.before),
                (*one.after, *self._after),
                (*self._around, *one.around),
                (*one.errors, self._errors) if self._errors else one.errors,
            )

    def _options(self, given: RouteOptions) -> RouteOptions:
        options: RouteOptions = {"blocking": self._blocking, "host": self._host, **given}
        if self.tags:
            options["tags"] = (*self.tags, *given.get("tags", ()))
        return options

    def _changed(self) -> None:
        """For applications to hear of."""
        self.revision += 1
        for parent in self._parents:
            parent._changed()


def caller() -> str:
    """Where the code is that called into this package, as ``file:line``."""
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("velocem."):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
