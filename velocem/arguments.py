"""The arguments of all functions of a route: leaves that the core reads, and steps that make the rest of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from velocem import binding, pipeline, providers, signature
from velocem._core import MISSING
from velocem.exceptions import FieldError, Invalid, StartError
from velocem.groups import Function
from velocem.pipeline import Hook, Step
from velocem.providers import Provider
from velocem.requests import Request
from velocem.signature import Leaf, Parameter, Signature, Surroundings, name_of, place_of
from velocem.websocket import SOCKET, WebSocket

if TYPE_CHECKING:
    from velocem.app import App

NOTHING: Mapping[Any, Any] = {}


@dataclass(frozen=True, slots=True)
class Registry:
    """What all routes of an application share: what provides which type, and which are there already."""

    app: "App"
    providers: Mapping[Any, Provider]
    resources: Mapping[Any, Any]
    overrides: Mapping[Any, Any] = field(default_factory=dict[Any, Any])
    threads: bool | None = False  # every def in a thread; None: not even those that say so
    endings: pipeline.Endings = field(default_factory=pipeline.Endings)

    def surroundings(self, path: Mapping[str, str], *, body: bool, special: Mapping[Any, str]) -> Surroundings:
        from velocem.app import App  # noqa: PLC0415

        provided = {*self.providers, *self.resources, *self.overrides}
        return Surroundings(path, {Request: "request", App: "app", WebSocket: "websocket", **special}, provided, body)


class Refused:
    """In the place of a value that the hooks come before: what is wrong with it."""

    __slots__ = ("errors",)

    def __init__(self, errors: Sequence[FieldError]) -> None:
        self.errors = errors


def deferred(leaf: Leaf) -> Leaf:
    """A leaf that never fails by itself, so that a before hook that asks who is there comes first."""
    number, name, convert, flags, default = leaf
    source = next((word for word, known in signature.SOURCES.items() if known == number), "body")
    loc: list[str | int] = [source] if source == "body" else [source, name]
    if default is MISSING:
        default = Refused([{"loc": loc, "msg": "is missing"}])
    if convert is None or convert == binding.STR:
        return number, name, convert, flags, default
    function = binding.in_python(convert) if isinstance(convert, int) else convert

    def attempt(value: Any) -> Any:
        try:
            return function(value)
        except ValueError as error:
            status, errors = (
                binding.explain(error) if source == "body" else (422, [FieldError(loc=loc, msg=str(error))])
            )
            if status != 422:
                raise
            return Refused(errors)

    return number, name, attempt, flags, default


def check(*values: Any) -> None:
    """Raise Invalid for what was refused."""
    found: list[Refused] = []
    for value in values:
        each: list[Any] = cast("Any", value) if isinstance(value, list) else [value]
        found += [one for one in each if isinstance(one, Refused)]
    if found:
        raise Invalid([error for one in found for error in one.errors])


class Builder:
    """Of one plan: leaves and steps, each at most once."""

    def __init__(self, registry: Registry, path: Mapping[str, str], *, body: bool) -> None:
        self.registry = registry
        self.path = path
        self.body = body
        self.leaves: list[Leaf] = []
        self.soft: set[int] = set()  # leaves that are deferred
        self.deferring = False
        self.blanks = 0
        self.steps: list[Step] = []
        self.made: dict[Any, int] = {}
        self.making: list[Provider] = []
        self.parameters: list[Parameter] = []
        self.place = ""
        self.opens = False  # it is of a WebSocket

    # --- arguments

    def read(self, function: Function, special: Mapping[Any, str] = NOTHING) -> Signature:
        found = signature.read(function, self.registry.surroundings(self.path, body=self.body, special=special))
        self.parameters += found.parameters
        self.place = f"{place_of(function)}: {name_of(function)}()"
        return found

    def inputs(self, function: Signature, special: Mapping[str, int] = NOTHING) -> tuple[int, ...]:
        """The slots of a function's arguments, after the steps that fill them."""
        return tuple(self.slot(one, special) for one in function.parameters)

    def slot(self, one: Parameter, special: Mapping[str, int]) -> int:  # noqa: PLR0911
        if one.source in special:
            return special[one.source]
        if one.source == "request":
            return self.leaf((signature.REQUEST, "", None, 0, None))
        if one.source == "app":
            return self.constant(self.registry.app)
        if one.source == "websocket":
            return self.socket()
        if one.source == "type":
            return self.provided(one.kind)
        if one.source == "depends":
            return self.depends(one.kind)
        return self.model(one) if one.source == "model" else self.leaf(one.leaf)

    def leaf(self, leaf: Leaf) -> int:
        for number, one in enumerate(self.leaves):
            if same(one, leaf):
                return number
        self.leaves.append(leaf)
        if self.deferring and leaf[0] not in {signature.CONST, signature.REQUEST}:
            self.soft.add(len(self.leaves) - 1)
        return len(self.leaves) - 1

    def constant(self, value: Any) -> int:
        return self.leaf((signature.CONST, "", None, 0, value))

    def socket(self) -> int:
        if not self.opens:
            raise StartError(f"{self.place}: a WebSocket is for @app.ws")
        return self.constant(SOCKET)

    def blank(self) -> int:
        self.blanks += 1
        return -self.blanks

    def finished_leaves(self) -> tuple[Leaf, ...]:
        return tuple(deferred(one) if number in self.soft else one for number, one in enumerate(self.leaves))

    # --- providers

    def provided(self, kind: Any) -> int:
        for values in (self.registry.overrides, self.registry.resources):
            if kind in values:
                return self.constant(values[kind])
        return self.provide(self.registry.providers[kind], kind)

    def depends(self, function: Function) -> int:
        if function in self.registry.overrides:
            return self.constant(self.registry.overrides[function])
        return self.provide(providers.dependency(function), function)

    def provide(self, one: Provider, key: Any) -> int:
        if key in self.made:
            return self.made[key]
        if any(other.function is one.function for other in self.making):
            raise StartError("providers need each other: " + " -> ".join(map(str, [*self.making, one])))
        self.making.append(one)
        found = self.read(one.function)
        inputs = self.inputs(found)
        self.making.pop()
        self.made[key] = self.step(found, inputs, one.kind)
        return self.made[key]

    def model(self, one: Parameter) -> int:
        """A model whose fields are leaves."""
        names = [each.wire for each in one.fields]
        inputs = tuple(self.leaf(each.leaf) for each in one.fields)

        def build(*values: Any) -> Any:
            return one.convert({name: value for name, value in zip(names, values, strict=True) if value is not None})

        output = self.blank()
        self.steps.append(Step(build, inputs, output, "value"))
        return output

    def step(self, function: Signature, inputs: tuple[int, ...], kind: providers.Kind, *, answers: bool = False) -> int:
        output = self.blank()
        self.steps.append(Step(function.positional, inputs, output, kind, answers, True))
        return output

    # --- hooks and the handler

    def before(self, function: Function) -> None:
        found = self.read(function)
        self.step(found, self.inputs(found), providers.kind_of(function), answers=True)

    def hook(self, function: Function, special: Mapping[Any, str], word: str) -> Hook:
        """An around or after hook, with steps of its own."""
        outer, self.steps = self.steps, []
        place = self.blank()
        found = self.read(function, special)
        inputs = self.inputs(found, {word: place})
        steps, self.steps = tuple(self.steps), outer
        return Hook(steps, found.positional, inputs, place, providers.kind_of(function) == "await")

    def handler(self, found: Signature, *, behind_hooks: bool) -> None:
        """Its providers and itself; behind hooks, what is wrong with its arguments is said first of all."""
        outer, self.steps = self.steps, []
        self.deferring = behind_hooks
        inputs = self.inputs(found)
        self.deferring = False
        kind = providers.kind_of(found.function)
        self.step(found, inputs, "await" if kind == "await" else "value")
        checks = [Step(check, tuple(sorted(self.soft)), self.blank(), "value")] if self.soft else []
        self.steps = [*outer, *checks, *self.steps]


def same(left: Leaf, right: Leaf) -> bool:
    """Whether two leaves are one; values are compared by what they are, not by what they say of being equal."""
    if (left[0], left[1], left[3]) != (right[0], right[1], right[3]) or left[4] is not right[4]:
        return False
    return left[2] is right[2] or (isinstance(left[2], int) and left[2] == right[2])
