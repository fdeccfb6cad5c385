"""Functions that give a value to others: of a request, of the lifespan, or to Depends."""

import contextlib
import inspect
import types
import typing
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from velocem.exceptions import StartError
from velocem.signature import hints_of, name_of, place_of

# How the value is got: it is what the call gives, its coroutine, or the one value of its generator.
Kind = Literal["value", "await", "generator", "async_generator"]

YIELDS = (AsyncIterator, AsyncGenerator, AsyncIterable, Iterator, Generator, Iterable)
GENERATORS = ("generator", "async_generator")


@dataclass(frozen=True, slots=True, eq=False)
class Provider:
    """One of them, and the type of what it gives; None for a lifespan that gives nothing."""

    function: Callable[..., Any]
    gives: Any
    kind: Kind

    def __str__(self) -> str:
        return f"{name_of(self.function)} ({place_of(self.function)})"


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """What @contextmanager and @asynccontextmanager were put on: users of other frameworks have them here."""
    inner = getattr(function, "__wrapped__", None)
    made_there = (
        getattr(function, "__code__", None) is not None and function.__code__.co_filename == contextlib.__file__
    )
    return inner if inner is not None and made_there else function


def kind_of(function: Callable[..., Any]) -> Kind:
    """Of functions, partials of them, and objects that are called."""
    for one in (function, vars(type(function)).get("__call__")):
        if inspect.isasyncgenfunction(one):
            return "async_generator"
        if inspect.isgeneratorfunction(one):
            return "generator"
        if inspect.iscoroutinefunction(one):
            return "await"
    return "value"


def provider(function: Callable[..., Any]) -> Provider:
    """Raise StartError when its return annotation does not say what it gives."""
    inner = plain(function)
    kind = kind_of(inner)
    returns = hints_of(inner).get("return")
    if kind in GENERATORS:
        item = typing.get_args(returns)[0] if typing.get_origin(returns) in YIELDS else inspect.Signature.empty
        returns = {None: types.NoneType, inspect.Signature.empty: None}.get(item, item)
    if returns is None:
        word = {"generator": "Iterator[X]", "async_generator": "AsyncIterator[X]"}.get(kind, "X")
        raise StartError(
            f"{place_of(inner)}: {name_of(inner)}() does not say what it provides\n"
            f"  either annotate it: -> {word}\n  or use it by Annotated[X, Depends({name_of(inner)})]"
        )
    return Provider(inner, None if returns is types.NoneType else returns, kind)


def dependency(function: Callable[..., Any]) -> Provider:
    """Of Depends, where nobody asks for the type."""
    inner = plain(function)
    return Provider(inner, None, kind_of(inner))
