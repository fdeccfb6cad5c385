"""The signature of a handler, read once: where each of its arguments comes from.

The order is: a parameter of the path; Request or App; what is marked; what has a provider; a model, which is the
body; a scalar or a list of scalars, which is in the query. Anything else stops the start, with the two likeliest ways
to mend it.
"""

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple, cast
from uuid import UUID

from velocem import binding
from velocem._core import MISSING
from velocem.exceptions import StartError
from velocem.params import Depends, Marker, Name
from velocem.uploads import Upload, uploaded

# The sources of leaves, as the core numbers them.
CONST, PATH, QUERY, HEADER, COOKIE, FORM, BODY, REQUEST, BYTES = range(9)
SOURCES = {"path": PATH, "query": QUERY, "header": HEADER, "cookie": COOKIE, "form": FORM, "body": BODY}
# What the core makes of a parameter whose converter is in the pattern.
IN_PATTERN = {"int": int, "float": float, "uuid": UUID, "date": date}
TEXT_IN_PATTERN = {"str", "path", "re", "enum"}

Leaf = tuple[int, str, Any, int, Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument: ``source`` is that of a leaf, or request, app, type, depends, model, special."""

    name: str
    kind: Any
    source: str
    wire: str = ""
    convert: Any = None
    many: bool = False
    default: Any = MISSING
    fields: tuple["Parameter", ...] = ()

    @property
    def leaf(self) -> Leaf:
        """As the core takes it."""
        number = BYTES if self.source == "bytes" else SOURCES[self.source]
        return number, self.wire, self.convert, int(self.many), self.default


@dataclass(frozen=True, slots=True)
class Signature:
    """A function and where its arguments come from; ``keywords`` of them, the last ones, are passed by name."""

    function: Callable[..., Any]
    parameters: tuple[Parameter, ...]
    returns: Any
    keywords: int

    @property
    def positional(self) -> Callable[..., Any]:
        """The function, taking all its arguments by position."""
        if not self.keywords:
            return self.function
        function, names = self.function, tuple(one.name for one in self.parameters[-self.keywords :])
        first = len(self.parameters) - self.keywords
        return lambda *given: function(*given[:first], **dict(zip(names, given[first:], strict=True)))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known where a function stands: the path's parameters with their converters, and what can be provided."""

    path: Mapping[str, str] = field(default_factory=dict[str, str])
    special: Mapping[Any, str] = field(default_factory=dict[Any, str])  # types, and names, with a meaning of their own
    provided: Collection[Any] = ()
    body: bool = True  # whether the methods have one


def place_of(function: Callable[..., Any]) -> str:
    """As ``file:line``, of the function's definition."""
    inner = inspect.unwrap(function)
    while isinstance(inner, functools.partial):
        inner = inner.func
    if inspect.isclass(inner):
        inner = inner.__init__
    call: Any = inner if hasattr(inner, "__code__") else vars(type(cast("object", inner))).get("__call__")
    code: Any = getattr(call, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else name_of(function)


def name_of(function: Any) -> str:
    return str(getattr(function, "__name__", None) or type(function).__name__)


def show(kind: Any) -> str:
    """A type as one writes it."""
    return kind.__name__ if isinstance(kind, type) and not typing.get_args(kind) else str(kind).replace("typing.", "")


def read(function: Callable[..., Any], around: Surroundings) -> Signature:
    """Raise StartError for a parameter that cannot be resolved."""
    hints = hints_of(function)
    found: list[Parameter] = []
    keywords = 0
    for one in parameters_of(function):
        if one.kind in {one.VAR_POSITIONAL, one.VAR_KEYWORD}:
            raise refusal(function, one.name, "takes any number of arguments", "name each of them", "take a Request")
        keywords += one.kind is one.KEYWORD_ONLY
        default = MISSING if one.default is one.empty else one.default
        found.append(resolve(function, one.name, hints.get(one.name, one.empty), default, around))
    check_bodies(function, found, around)
    return Signature(function, tuple(found), hints.get("return", inspect.Signature.empty), keywords)


def parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        raise StartError(f"{place_of(function)}: {name_of(function)} does not tell its parameters") from None


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Annotations, evaluated if they are text."""
    while isinstance(function, functools.partial):
        function = function.func
    target: Any = function
    if inspect.isclass(function):
        target = function.__init__
    elif not inspect.isroutine(function):
        target = type(function).__call__
    try:
        hints = typing.get_type_hints(target, include_extras=True)
    except (NameError, TypeError, AttributeError) as error:
        raise StartError(
            f"{place_of(function)}: the annotations of {name_of(function)}() cannot be read: {error}\n"
            "  either import what they name where the module can see it, not under TYPE_CHECKING only\n"
            "  or define it at the top of the module, not inside a function"
        ) from None
    if inspect.isclass(function):
        hints["return"] = function
    return hints


def resolve(function: Callable[..., Any], name: str, kind: Any, default: Any, around: Surroundings) -> Parameter:
    """By the order of the rules."""
    if name in around.path:
        return path_parameter(function, name, kind, around.path[name])
    bare, metadata = binding.unwrap(kind)
    open_kind = bare in {inspect.Parameter.empty, Any, Callable} or typing.get_origin(bare) is Callable
    special = around.special.get(name) if open_kind else special_of(bare, around)
    if special is not None:
        return Parameter(name, bare, special, default=default)
    depends = next((about for about in metadata if isinstance(about, Depends)), None)
    if depends is not None:
        return Parameter(name, depends.function, "depends")
    source = source_of(kind, metadata, around)
    if source == "type":
        return Parameter(name, find_provided(bare, around.provided), "type", default=default)
    if source is None:
        raise unknown(function, name, kind, around)
    return marked(Argument(function, name, kind, default), source, around)


def source_of(kind: Any, metadata: tuple[Any, ...], around: Surroundings) -> str | None:
    """What is marked is from there; the rest goes by its type."""
    marker = next((about for about in metadata if isinstance(about, Marker)), None)
    if marker is not None:
        return marker.source
    if kind is inspect.Parameter.empty:
        return None
    if find_provided(binding.unwrap(kind)[0], around.provided) is not None:
        return "type"
    if binding.holds_model(binding.without_none(kind)):
        return "body"
    return "query" if is_query(kind) else None


def special_of(bare: Any, around: Surroundings) -> str | None:
    """Request, App, and what hooks get; a subclass of one of them is it as well."""
    bare = typing.get_origin(bare) or bare
    try:
        found = around.special.get(bare)
    except TypeError:  # no hash, so none of them
        return None
    if found is None and isinstance(bare, type):
        return next(
            (what for kind, what in around.special.items() if isinstance(kind, type) and issubclass(bare, kind)), None
        )
    return found


def find_provided(bare: Any, provided: Collection[Any]) -> Any:
    """The type itself, or the one of ``X | None``."""
    candidates = [bare, *(one for one in binding.members(bare) if one is not type(None))]
    return next((one for one in candidates if one in provided), None)


def is_query(kind: Any) -> bool:
    plain = binding.without_none(kind)
    item = binding.item_of(plain)
    return binding.is_scalar(plain if item is None else item)


def path_parameter(function: Callable[..., Any], name: str, kind: Any, pattern: str) -> Parameter:
    """What the pattern converts comes as it is; else the annotation says what it becomes."""
    if pattern not in TEXT_IN_PATTERN | IN_PATTERN.keys():  # a converter of the application's
        return Parameter(name, kind, "path", name)
    if kind is inspect.Parameter.empty:
        return Parameter(name, IN_PATTERN.get(pattern, str), "path", name)
    plain = binding.without_none(kind)
    if not binding.is_scalar(plain):
        raise refusal(
            function, name, f"is in the path, and {show(kind)} is not one word", f"{name}: str", "another name"
        )
    bare = binding.unwrap(plain)[0]
    made = IN_PATTERN.get(pattern)
    if made not in {None, bare}:
        raise refusal(
            function,
            name,
            f"is {show(made)} by {{{name}:{pattern}}}, and annotated as {show(kind)}",
            f"{name}: {show(made)}",
            f"{{{name}}} in the path",
        )
    done = made is not None and not binding.is_constrained(plain)
    return Parameter(name, plain, "path", name, None if done else binding.converter(plain))


class Argument(NamedTuple):
    """One as it was written."""

    function: Callable[..., Any]
    name: str
    kind: Any
    default: Any


def marked(one: Argument, source: str, around: Surroundings) -> Parameter:
    """From the part of the request that its marker, or its type, says."""
    function, name, kind, default = one
    wire = wire_name(one, source)
    if source == "path":
        if wire not in around.path:
            likely = f"{{{wire}}} in the path", f"{name}: Query[...]"
            raise refusal(function, name, f"is Path, and the path has no {{{wire}}}", *likely)
        return dataclasses.replace(path_parameter(function, name, kind, around.path[wire]), wire=wire)
    plain = binding.without_none(bare_of_markers(kind))
    if source == "body":
        return body(name, plain, default)
    if binding.is_model(plain) and source in {"form", "query"}:
        return model(name, plain, source)
    item = binding.item_of(plain)
    scalar = plain if item is None else item
    if binding.unwrap(scalar)[0] is Upload and source == "form":
        return Parameter(name, plain, source, wire, uploaded, item is not None, default)
    if not binding.is_scalar(scalar):
        likely = f"{name}: str", f"{name}: Body[{show(plain)}]"
        raise refusal(function, name, f"is {source}, and {show(plain)} is neither a scalar nor a list of them", *likely)
    return Parameter(name, plain, source, wire, binding.converter(scalar), item is not None, default)


def wire_name(one: Argument, source: str) -> str:
    """What Name says, or the parameter's; of a header in lower case, with dashes."""
    given = next((about.name for about in binding.unwrap(one.kind)[1] if isinstance(about, Name)), None)
    if source == "header":
        return (given or one.name.replace("_", "-")).lower()
    return given or one.name


def model(name: str, kind: Any, source: str) -> Parameter:
    """One whose fields come one by one."""
    fields = tuple(
        Parameter(one.name, one.kind, source, one.name, binding.STR, one.many, default=None)
        for one in binding.fields_of(kind)
    )
    return Parameter(name, kind, "model", source, binding.builder(kind, source), fields=fields)


def bare_of_markers(kind: Any) -> Any:
    """Annotated with what is for msgspec or pydantic alone."""
    bare, metadata = binding.unwrap(kind)
    kept = [about for about in metadata if not isinstance(about, Marker | Name)]
    return functools.reduce(lambda inner, about: typing.Annotated[inner, about], kept, bare)


def body(name: str, kind: Any, default: Any) -> Parameter:
    if binding.unwrap(kind)[0] is bytes:
        return Parameter(name, kind, "bytes", name, default=default)
    return Parameter(name, kind, "body", name, binding.decoder(kind), default=default)


def check_bodies(function: Callable[..., Any], found: list[Parameter], around: Surroundings) -> None:
    """A request has one body, and GET has none."""
    bodies = [one for one in found if one.source in {"body", "bytes"}]
    forms = [one for one in found if one.source == "form" or (one.source == "model" and one.wire == "form")]
    if (bodies or forms) and not around.body:
        one = (bodies or forms)[0]
        raise refusal(
            function,
            one.name,
            f"is the body, and GET has none ({show(one.kind)})",
            "@app.post",
            f"{one.name}: Query[...]",
        )
    if len(bodies) > 1 or (bodies and forms):
        second = (bodies + forms)[1]
        raise refusal(
            function,
            second.name,
            f"would be the body, which is {bodies[0].name} already",
            "one model that has both as fields",
            f"a provider of {show(second.kind)}: @app.provide",
        )


def unknown(function: Callable[..., Any], name: str, kind: Any, around: Surroundings) -> StartError:
    if kind is inspect.Parameter.empty:
        likely = f"{name}: str, for {'?' + name + '=' if not around.path else 'the query'}", f"{{{name}}} in the path"
        return refusal(function, name, "has no annotation, and is not in the path", *likely)
    text = show(kind)
    if binding.unwrap(kind)[0] in {dict, bytes, Any} or typing.get_origin(binding.unwrap(kind)[0]) is dict:
        return refusal(
            function,
            name,
            f"is {text}, which may come from anywhere",
            f"{name}: Body[{text}], for the body",
            "a Struct",
        )
    return refusal(
        function,
        name,
        f"is {text}: nothing provides it, and it is no model and no scalar",
        f"@app.provide (or @app.lifespan) on a function that returns {text}",
        f"make {text} a Struct or a dataclass, for a JSON body",
    )


def refusal(function: Callable[..., Any], name: str, what: str, first: str, second: str) -> StartError:
    return StartError(
        f"{place_of(function)}: {name_of(function)}(): parameter {name!r} {what}\n  either {first}\n  or {second}"
    )
