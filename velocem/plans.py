"""Routes into plans: for each, one callable and the leaves that it is called with."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from velocem import pipeline, providers, rendering, signature
from velocem._core import Plan
from velocem.arguments import Builder, Registry
from velocem.errors import REQUEST as ERRORS_REQUEST
from velocem.errors import ErrorMap, error_handler
from velocem.exceptions import StartError
from velocem.groups import WEBSOCKET, Endpoint, Function
from velocem.pipeline import Hook, Program, Step
from velocem.policies import size
from velocem.rendering import Rendering
from velocem.responses import JSON, Response
from velocem.sessions import Session
from velocem.signature import Leaf, Parameter, Signature, name_of, place_of
from velocem.uploads import hold, names_of
from velocem.websocket import Options, SocketProgram, kinds_of, reader, take

BODILESS = {"GET", "HEAD"}
FORM_TYPE = b"application/x-www-form-urlencoded"


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
