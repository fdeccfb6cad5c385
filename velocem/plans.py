"""Routes into plans: for each, one callable and the leaves that it is called with."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from velocem import binding, pipeline, providers, rendering, signature
from velocem._core import MISSING, Plan
from velocem.errors import REQUEST as ERRORS_REQUEST
from velocem.errors import ErrorMap, error_handler
from velocem.exceptions import FieldError, Invalid, StartError
from velocem.groups import WEBSOCKET, Endpoint, Function
from velocem.pipeline import Hook, Program, Step
from velocem.policies import size
from velocem.providers import Provider
from velocem.rendering import Rendering
from velocem.requests import Request
from velocem.responses import JSON, Response
from velocem.sessions import Session
from velocem.signature import Leaf, Parameter, Signature, Surroundings, name_of, place_of
from velocem.uploads import hold, names_of
from velocem.websocket import SOCKET, Options, SocketProgram, WebSocket, kinds_of, reader, take

if TYPE_CHECKING:
    from velocem.app import App

BODILESS = {"GET", "HEAD"}
FORM_TYPE = b"application/x-www-form-urlencoded"
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


@dataclass(frozen=True, slots=True, eq=False)
class About:
    """What is known of a plan beside what the core needs: for errors, streams, the documentation and explain."""

    endpoint: Endpoint
    signature: Signature
    program: Program | None
    parameters: tuple[Parameter, ...]  # of hooks and providers too
    rendering: Rendering
    errors: ErrorMap
    blocking: bool
    status: int
    socket: SocketProgram | None = None


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


HANDLED: Mapping[Any, str] = {BaseException: "error", "error": "error", "e": "error"}
CALL: Mapping[Any, str] = {"call": "call", pipeline.Next: "call"}
RESPONSE: Mapping[Any, str] = {Response: "response", "res": "response", "response": "response"}


def error_map(endpoint_errors: Sequence[Mapping[type[BaseException], Function]], registry: Registry) -> ErrorMap:
    """The functions that answer for exceptions, with their arguments."""
    builder = Builder(registry, {}, body=False)

    def value_of(kind: Any) -> Any:
        slot = builder.provided(kind)
        if slot < 0:
            raise StartError(f"{signature.show(kind)} comes with a request, and an error handler cannot have it")
        return builder.leaves[slot][4]

    maps = [
        {kind: error_handler(builder.read(one, HANDLED), value_of, registry.app) for kind, one in each.items()}
        for each in endpoint_errors
    ]
    return ErrorMap(maps)


def answerer(errors: ErrorMap, request: int | None) -> pipeline.Answer:
    async def answer(error: BaseException, slots: list[Any]) -> Response | None:
        return await errors.answer(error, None if request is None else slots[request])

    return answer


@dataclass(frozen=True, slots=True)
class Made:
    """What a plan is made of, before it is one."""

    call: Function
    leaves: tuple[Leaf, ...]
    is_async: bool
    about: "About"


def make(endpoint: Endpoint, path: Mapping[str, str], registry: Registry) -> Made:
    """One route: its handler as it is, where that will do, else a Program. StartError for what cannot be."""
    if endpoint.methods == (WEBSOCKET,):
        return make_socket(endpoint, path, registry)
    options = endpoint.options
    body = not (endpoint.methods and set(endpoint.methods) <= BODILESS)
    blocking = registry.threads is True or (registry.threads is not None and bool(options.get("blocking")))
    builder = Builder(registry, path, body=body)
    arounds = tuple(builder.hook(one, CALL, "call") for one in endpoint.around)
    for one in endpoint.before:
        builder.before(one)
    handler = builder.read(endpoint.function)
    builder.handler(handler, behind_hooks=bool(arounds or endpoint.before))
    if names_of(builder.parameters):
        builder.steps.insert(0, Step(hold, (), builder.blank(), "generator"))
    sessions = [registry.app.sessions.save] if registry.app.sessions and Session in builder.made else []
    afters = tuple(builder.hook(one, RESPONSE, "response") for one in (*endpoint.after, *sessions))
    errors = error_map(endpoint.errors, registry)
    status = int(options.get("status", 200))
    render = rendering.rendering(handler.returns, status, blocking=blocking)
    parameters = tuple(builder.parameters)
    if not (arounds or afters or len(builder.steps) > 1 or errors.waits):
        waits = builder.steps[0].kind == "await"
        call = handler.positional if waits or not blocking else pipeline.threaded(handler.positional)
        ordered = tuple(builder.leaves[number] for number in builder.steps[0].inputs)
        about = About(endpoint, handler, None, parameters, render, errors, blocking and not waits, status)
        return Made(call, ordered, waits or blocking, about)
    program = assemble(builder, arounds, afters, errors, render)
    call, is_async = callable_of(program, endpoint, blocking=blocking)
    about = About(endpoint, handler, program, parameters, render, errors, blocking, status)
    return Made(call, builder.finished_leaves(), is_async, about)


def make_socket(endpoint: Endpoint, path: Mapping[str, str], registry: Registry) -> Made:
    """One route of ``@app.ws``: its plan gives the leaves, and what runs with them is beside it."""
    builder = Builder(registry, path, body=False)
    builder.opens = True
    for one in endpoint.before:
        builder.before(one)
    handler = builder.read(endpoint.function)
    if providers.kind_of(endpoint.function) != "await":
        raise StartError(f"{builder.place}: the handler of a WebSocket is async def")
    builder.handler(handler, behind_hooks=bool(endpoint.before))
    errors = error_map(endpoint.errors, registry)
    request = builder.leaf((signature.REQUEST, "", None, 0, None))
    kind = next((one.kind for one in handler.parameters if one.source == "websocket"), None)
    limit = endpoint.options.get("message_limit")
    options = Options(
        reader(kinds_of(kind)[0]), endpoint.options.get("subprotocols", ()), 0 if limit is None else size(limit)
    )
    render = rendering.rendering(handler.returns, 200, blocking=False)
    program = SocketProgram(tuple(builder.steps), builder.blanks, request, errors, render, options)
    about = About(endpoint, handler, None, tuple(builder.parameters), render, errors, False, 200, program)
    return Made(take, builder.finished_leaves(), True, about)


def assemble(
    builder: Builder, arounds: tuple[Hook, ...], afters: tuple[Hook, ...], errors: ErrorMap, render: Rendering
) -> Program:
    every = [*builder.steps, *(one for hook in (*arounds, *afters) for one in hook.steps)]
    leaves_raw = not any(one.answers or one.kind in providers.GENERATORS for one in every)
    plain = leaves_raw and not (arounds or afters or errors.waits)
    asking = any(id(ERRORS_REQUEST) in map(id, one.arguments) for each in errors.maps for one in each.values())
    request = builder.leaf((signature.REQUEST, "", None, 0, None)) if asking else None
    answer = answerer(errors, request) if arounds or afters or errors.waits else None
    return Program(
        len(builder.leaves),
        builder.blanks,
        tuple(builder.steps),
        arounds,
        afters,
        render,
        answer,
        errors.waits,
        builder.registry.endings,
        plain,
    )


def callable_of(program: Program, endpoint: Endpoint, *, blocking: bool) -> tuple[Function, bool]:
    """The call of a program, and whether it is awaited."""
    if waits(program):
        refuse_waiting_inside(program, endpoint)
        return (in_threads(program) if blocking else program).run, True
    return (program.run_in_thread, True) if blocking else (program.run_now, False)


def waits(program: Program) -> bool:
    hooks = (*program.around, *program.after)
    steps = [*program.steps, *(one for hook in hooks for one in hook.steps)]
    if program.answer_waits or any(hook.waits for hook in hooks):
        return True
    return any(one.kind in {"await", "async_generator"} for one in steps)


def refuse_waiting_inside(program: Program, endpoint: Endpoint) -> None:
    """A hook that is def gets the response when call() returns: nothing inside of it can wait."""
    for number, hook in enumerate(program.around):
        inside = dataclasses.replace(program, around=program.around[number + 1 :])
        if not hook.waits and waits(inside):
            name = name_of(hook.function)
            raise StartError(
                f"{place_of(hook.function)}: {name}() goes around {endpoint}, where something waits\n"
                f"  either make it async def {name}(...), with await call()\n"
                "  or have handler, hooks and providers of that route be def"
            )


def in_threads(program: Program) -> Program:
    """With a thread for every def of it, since others wait."""
    return dataclasses.replace(
        program,
        steps=tuple(map(thread_of, program.steps)),
        around=tuple(dataclasses.replace(one, steps=tuple(map(thread_of, one.steps))) for one in program.around),
        after=tuple(
            dataclasses.replace(
                one,
                steps=tuple(map(thread_of, one.steps)),
                function=one.function if one.waits else pipeline.threaded(one.function),
                waits=True,
            )
            for one in program.after
        ),
    )


def thread_of(step: Step) -> Step:
    if step.hops and step.kind == "value":
        return step._replace(function=pipeline.threaded(step.function), kind="await")
    if step.kind == "generator":
        return step._replace(function=pipeline.threaded_generator(step.function), kind="async_generator")
    return step


def plan(made: Made, limit: int = -1) -> Plan:
    """For the core; limit is in bytes, for routes that say none."""
    options, render = made.about.endpoint.options, made.about.rendering
    sources = {leaf[0] for leaf in made.leaves}
    types = (b"application/json",) if signature.BODY in sources else (FORM_TYPE,) if signature.FORM in sources else ()
    own = options.get("body_limit")
    return Plan(
        made.call,
        made.leaves,
        is_async=made.is_async,
        status=made.about.status,
        encode=render.encode,
        content_type=JSON.encode() if render.encode is not None else None,
        body_limit=limit if own is None else size(own),
        body_types=types,
        about=made.about,
        handed=bool(names_of(made.about.parameters)),
    )
