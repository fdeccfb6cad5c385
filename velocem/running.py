"""An application that runs on one loop: the resources of its lifespan, and the core made of it."""

# pyright: reportPrivateUsage=false

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from velocem import binding, plans, providers, uploads
from velocem._core import Core, Plan, RequestBase, RouterBase
from velocem.arguments import Registry
from velocem.errors import ErrorMap, of_status
from velocem.exceptions import BY_STATUS, FieldError, HTTPError, Invalid, StartError
from velocem.groups import Endpoint
from velocem.logging import logger, report
from velocem.mounts import Mount, Mounted, Run
from velocem.pipeline import Endings, Entered, enter, leave, unwind
from velocem.plans import About, Made
from velocem.providers import Provider
from velocem.requests import Request
from velocem.responses import Problem, Response
from velocem.router import Route, RouteError, Router
from velocem.signature import Surroundings, read, show
from velocem.streams import send_all
from velocem.topics import Hub
from velocem.types import Reply

if TYPE_CHECKING:
    from velocem.app import App
    from velocem.watchdog import Watchdog


class Running:
    """From start() to stop(), on the loop that both are awaited on.

    ``threads`` runs every ``def`` in a thread, None none at all; ``development`` adds the documentation.
    """

    def __init__(
        self, app: "App", *, threads: bool | None = False, development: bool = False, run: Run | None = None
    ) -> None:
        self.app = app
        self.run = run
        self.threads = threads
        self.development = development
        self.resources: dict[Any, Any] = {}
        self.entered: Entered = []
        self.mounts: dict[Mount, Mounted] = {}
        self.endings = Endings()
        self.hub = Hub(app.pubsub)
        self.router = Router()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.watchdog: Watchdog | None = None
        self._core: Core | None = None
        self._revision = -1

    async def start(self) -> None:
        """Run the lifespan's functions as far as their ``yield``. Raises StartError, or what one of them raises."""
        self.loop = asyncio.get_running_loop()
        self.app.hubs[self.loop] = self.hub
        try:
            await self.hub.start()
            for one in self.in_order():
                await self.enter(one)
            for mount in self.app.mounted:
                await self.mounted(mount).start()
            self.core()
        except BaseException as error:
            await self.stop_mounts()
            await unwind(self.entered, error)
            await self.stop_hub()
            raise

    async def stop(self) -> None:
        """Run the rest of them, the last first; what they raise is logged."""
        if self.watchdog is not None:
            self.watchdog.stop()
        await self.endings.settle()
        await self.stop_mounts()
        self.resources.clear()
        await leave(self.entered)
        await self.stop_hub()

    async def stop_hub(self) -> None:
        self.app.hubs.pop(asyncio.get_running_loop(), None)
        await self.hub.stop()

    async def stop_mounts(self) -> None:
        for mounted in reversed(self.mounts.values()):
            await mounted.stop()
        self.mounts.clear()

    def mounted(self, mount: Mount) -> Mounted:
        if mount not in self.mounts:
            self.mounts[mount] = Mounted(mount, self.run)
        return self.mounts[mount]

    def in_order(self) -> list[Provider]:
        """Those whose resources others take come before them; those that are overridden do not come."""
        waiting = [providers.provider(one) for one in self.app.lifespans]
        waiting = [one for one in waiting if one.gives is None or one.gives not in self.app.overrides]
        given = set(self.app.overrides)
        order: list[Provider] = []
        while waiting:
            kinds = given | {one.gives for one in waiting}
            ready = [one for one in waiting if self.wanted(one, kinds) <= given]
            if not ready:
                raise StartError("functions of the lifespan need each other: " + ", ".join(map(str, waiting)))
            order += ready
            given |= {one.gives for one in ready}
            waiting = [one for one in waiting if one not in ready]
        return order

    def wanted(self, one: Provider, kinds: set[Any]) -> set[Any]:
        return {each.kind for each in read(one.function, self.around(kinds)).parameters if each.source == "type"}

    def around(self, kinds: set[Any]) -> Surroundings:
        return Surroundings(special={type(self.app): "app"}, provided=kinds | set(self.resources), body=False)

    async def enter(self, one: Provider) -> None:
        found = read(one.function, self.around(set(self.app.overrides)))
        values = {**self.resources, **self.app.overrides}
        value = found.positional(*[self.argument(each, values, one) for each in found.parameters])
        if one.kind == "await":
            value = await value
        elif one.kind != "value":
            value = await enter(value, self.entered)
        if one.gives is not None:
            if one.gives in self.resources:
                raise StartError(f"two functions of the lifespan give {show(one.gives)}; the second is {one}")
            self.resources[one.gives] = value

    def argument(self, parameter: Any, values: Mapping[Any, Any], one: Provider) -> Any:
        if parameter.source == "app":
            return self.app
        if parameter.source != "type":
            raise StartError(f"{one}: parameter {parameter.name!r} comes with a request, and there is none yet")
        return values[parameter.kind]

    def core(self) -> Core:
        """Made again after a change of the application: a route, an override."""
        if self._core is None or self._revision != self.app.revision:
            self._revision = self.app.revision
            registry = self.app.registry(self.resources, threads=self.threads, endings=self.endings)
            made = make_all(self.app, registry, development=self.development)
            self.router = make_router(self.app, made, self.mounted)
            self._core = make_core(self.app, self.router, plans.error_map(self.app.root_errors, registry))
        return self._core

    def again(self, *, threads: bool, development: bool) -> Core:
        """A core of other options; in development with a watchdog for who blocks the loop."""
        self.threads, self.development, self._core = threads, development, None
        if development and self.watchdog is None and self.loop is not None:
            from velocem.watchdog import Watchdog, codes_of  # noqa: PLC0415 - nobody needs it in production

            self.watchdog = Watchdog(self.loop, codes_of(list(self.app.endpoints())))
        return self.core()


def make_all(app: "App", registry: Registry, *, development: bool = False) -> list[Made]:
    """Every route. StartError for one that cannot be."""
    endpoints = [*app.endpoints(), *app.own_endpoints(development=development)]
    return [plans.make(one, path_of(one), registry) for one in endpoints]


def path_of(endpoint: Endpoint) -> dict[str, str]:
    """The parameters of its pattern, each with the name of its converter."""
    try:
        pieces = RouterBase._pieces(endpoint.pattern)  # noqa: SLF001
    except ValueError as error:
        raise StartError(f"{endpoint.place}: {endpoint.pattern!r}: {error}") from None
    return {piece[0]: piece[1] for piece in pieces if isinstance(piece, tuple)}


def make_router(app: "App", made: Sequence[Made], mounted: Callable[[Mount], Any] = Mounted) -> Router:
    """With plans for targets, and what is mounted."""
    router = Router(slash=app.slash, converters=app.converters)
    names = app.names()
    limit = app.policies().get("body_limit", -1)
    try:
        for one in made:
            point = one.about.endpoint
            name = names.get((id(point.function), point.pattern))
            host = point.options.get("host", "")
            target = plans.plan(one, limit)
            router._put(Route(point.methods, point.pattern, target, name, host, False, point, point.place, []))  # noqa: SLF001
        for mount in app.mounted:
            target = mounted(mount)
            router._put(Route(None, mount.prefix, target, None, mount.host, True, None, mount.place, []))  # noqa: SLF001
        for folder in app.folders:
            router._put(Route(None, folder.prefix, folder.static, None, folder.host, True, None, folder.place, []))  # noqa: SLF001
    except RouteError as error:
        raise StartError(str(error)) from None
    router.freeze()
    return router


def make_core(app: "App", router: Router, errors: ErrorMap) -> Core:
    """With the functions that it calls for what is not done in C."""
    told = any(issubclass(kind, HTTPError) for each in errors.maps for kind in each)
    return Core(
        router,
        request_type=Request,
        response_type=Response,
        encode=binding.encode,
        stream=stream,
        drive=send_all,
        failed=Failed(errors),
        log=report,
        explain=explain,
        problem=Refusal(errors) if told else None,
        policies=app.policies(),
        form=uploads.Reader(app.form_limits),
    )


def explain(error: Exception) -> tuple[int, list[dict[str, Any]]]:
    """For the core: what is wrong with a body, by what its decoder raised."""
    status, errors = binding.explain(cast("ValueError", error))
    return status, cast("list[dict[str, Any]]", errors)


def stream(result: Any, plan: Plan) -> Reply:
    """For the core: the reply of a generator that a handler returned."""
    about: About = plan.about
    return about.rendering.of_stream(result, about.status).render()


class Failed:
    """For the core: the reply to an exception."""

    def __init__(self, errors: ErrorMap) -> None:
        self.errors = errors

    def __call__(self, error: BaseException, request: RequestBase | None, plan: Plan | None) -> Reply:
        errors: ErrorMap = self.errors if plan is None else plan.about.errors
        found: Response | None = None
        try:
            found = errors.answer_now(error, request)
        except Exception as raised:  # noqa: BLE001
            found, error = of_status(raised), raised
        if found is None:
            what = f"{request.method} {request.path}" if request is not None else "a request"
            logger.error("%s failed", what, exc_info=error)
            found = Problem(500)
        return found.render()


class Refusal:
    """For the core, where the application answers for statuses: the reply to what reached no handler."""

    def __init__(self, errors: ErrorMap) -> None:
        self.errors = errors

    def __call__(
        self, status: int, errors: list[dict[str, Any]] | None, allow: tuple[str, ...], request: RequestBase
    ) -> Reply:
        headers = {"allow": ", ".join(allow)} if allow else None
        if status == 422:
            error: HTTPError = Invalid(cast("list[FieldError]", errors or []), headers=headers)
        else:
            kind = BY_STATUS.get(status)
            told: dict[str, Any] = {"errors": errors} if errors else {}
            error = kind(headers=headers, **told) if kind else HTTPError(status, headers=headers, **told)
        with contextlib.suppress(Exception):
            found = self.errors.answer_now(error, request)
            if found is not None:
                return found.render()
        return Problem(status, headers=error.headers, **dict(error.extensions)).render()
