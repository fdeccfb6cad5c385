"""Exceptions into responses: by the functions that answer for them, and by their status."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from velocem import providers
from velocem.exceptions import HTTPError, StartError
from velocem.rendering import Rendering
from velocem.responses import Problem, Response
from velocem.signature import Signature, name_of, place_of

ERROR, REQUEST = object(), object()  # in the place of arguments that come with the request

render = Rendering()


@dataclass(frozen=True, slots=True)
class ErrorHandler:
    """A function and its arguments: the exception, the request, or values that are there from the start."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    waits: bool

    def call(self, error: BaseException, request: Any) -> Any:
        """What it returns, perhaps to be awaited."""
        known = {id(ERROR): error, id(REQUEST): request}
        return self.function(*[known.get(id(one), one) for one in self.arguments])


def error_handler(found: Signature, value_of: Callable[[Any], Any], app: Any) -> ErrorHandler:
    """Raise StartError for an argument that an error handler cannot have."""
    arguments: list[Any] = []
    for one in found.parameters:
        if one.source == "error":
            arguments.append(ERROR)
        elif one.source == "request":
            arguments.append(REQUEST)
        elif one.source == "app":
            arguments.append(app)
        elif one.source == "type":
            arguments.append(value_of(one.kind))
        else:
            raise StartError(
                f"{place_of(found.function)}: {name_of(found.function)}(): an error handler cannot have {one.name!r}\n"
                "  either take a Request, and look there\n  or put what is needed into the exception"
            )
    return ErrorHandler(found.positional, tuple(arguments), providers.kind_of(found.function) == "await")


@dataclass(frozen=True, slots=True)
class ErrorMap:
    """Those of a route: of its group, then of the groups around, then of the application."""

    maps: Sequence[dict[type[BaseException], ErrorHandler]]

    @property
    def waits(self) -> bool:
        """Whether an answer may have to be awaited."""
        return any(one.waits for each in self.maps for one in each.values())

    def find(self, error: BaseException) -> ErrorHandler | None:
        """The one for the nearest class of the exception; the innermost group's first.

        Who answers for Exception means what went wrong, not a NotFound that a handler has raised.
        """
        kinds = type(error).__mro__
        if isinstance(error, HTTPError):
            kinds = tuple(kind for kind in kinds if issubclass(kind, HTTPError))
        return next((each[kind] for each in self.maps for kind in kinds if kind in each), None)

    async def answer(self, error: BaseException, request: Any) -> Response | None:
        """None when nobody answers for it. Raises what the function that does raises."""
        handler = self.find(error)
        if handler is None:
            return of_status(error)
        result = handler.call(error, request)
        return render(await result if handler.waits else result)

    def answer_now(self, error: BaseException, request: Any) -> Response | None:
        """The same, where nothing can be awaited: a function that would have to be is none."""
        handler = self.find(error)
        if handler is None or handler.waits:
            return of_status(error)
        result = handler.call(error, request)
        if inspect.iscoroutine(result):
            result.close()
            raise TypeError(f"{name_of(handler.function)}() has to be async def to return a coroutine")
        return render(result)


def of_status(error: BaseException) -> Response | None:
    """The problem that an HTTPError is."""
    if not isinstance(error, HTTPError):
        return None
    return Problem(error.status, error.detail, headers=error.headers, **dict(error.extensions))
