"""Where an argument of a handler comes from, said in its annotation: ``authorization: Header[str]``.

Each name is a generic alias of Annotated, so a type checker sees ``Header[str]`` as ``str``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

T = TypeVar("T")

__all__ = ["Body", "Cookie", "Depends", "Form", "Header", "Marker", "Name", "Path", "Query"]


@dataclass(frozen=True, slots=True)
class Marker:
    """The part of the request that a value is taken from: path, query, header, cookie, form or body."""

    source: str


@dataclass(frozen=True, slots=True)
class Name:
    """The name on the wire, where it is not the parameter's: ``Annotated[Query[date], Name("from")]``."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Depends:
    """The value is what a function gives, once in a request: ``user: Annotated[User, Depends(current_user)]``.

    The function takes arguments as a handler does. It is ``def`` or ``async def``; with ``yield`` it gives one value,
    and what stands behind the ``yield`` runs after the response.
    """

    function: Callable[..., Any]


Path = Annotated[T, Marker("path")]
"""A parameter of the route's pattern, which a parameter of that name is anyway."""

Query = Annotated[T, Marker("query")]
"""From the query string; ``Query[list[int]]`` has all values under the name. Scalars are it without being told."""

Header = Annotated[T, Marker("header")]
"""A field of the request's head: the parameter's name with ``-`` for ``_``, in any case."""

Cookie = Annotated[T, Marker("cookie")]
"""A cookie of the parameter's name."""

Form = Annotated[T, Marker("form")]
"""A field of a form that is sent as application/x-www-form-urlencoded; of a model, all its fields are."""

Body = Annotated[T, Marker("body")]
"""The whole body: ``Body[bytes]`` as it is, ``Body[dict[str, int]]`` and any other type from JSON."""
