"""The application: routes, what they need, and the faces that servers call."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from os import PathLike
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from velocem import folders, providers
from velocem._core import Core
from velocem.arguments import Registry
from velocem.background import Background, background
from velocem.exceptions import StartError
from velocem.faces.asgi import Asgi
from velocem.faces.rsgi import Rsgi
from velocem.faces.wsgi import Wsgi
from velocem.groups import Endpoint, Errors, Function, Group, caller
from velocem.importer import is_asgi
from velocem.mounts import Kind, Mount
from velocem.pipeline import Endings
from velocem.policies import Limits, Policy
from velocem.router import Converter, Router, Slash
from velocem.running import make_all, make_router
from velocem.sessions import Session, Sessions
from velocem.signature import name_of
from velocem.streams import TopicEvents
from velocem.uploads import FormLimits
from velocem.websocket import pack

if TYPE_CHECKING:
    from velocem.topics import Hub

F = TypeVar("F", bound=Callable[..., Any])

DOCS = "/docs", "/openapi.json"


class App(Group):
    """An application, for Velocem's server and for every other of ASGI, WSGI or RSGI.

    ``title``, ``version`` and ``description`` are for its documentation. ``blocking=True`` runs every ``def`` handler
    in a thread. ``slash`` and ``converters`` are the router's. ``pubsub`` is a Redis or Valkey through which topics
    reach other workers: ``redis://localhost``. What is wrong with a route (an argument that comes
    from nowhere, two routes for the same) is a StartError when it starts.
    """

    def __init__(
        self,
        *,
        title: str = "API",
        version: str = "0.1.0",
        description: str = "",
        blocking: bool = False,
        slash: Slash = "redirect",
        converters: Mapping[str, Converter] = MappingProxyType({}),
        pubsub: str | None = None,
    ) -> None:
        super().__init__(blocking=blocking)
        self.title = title
        self.version = version
        self.description = description
        self.slash: Slash = slash
        self.converters = dict(converters)
        self.pubsub = pubsub
        self.hubs: dict[asyncio.AbstractEventLoop, Hub] = {}  # of the loops that it is served on
        self.lifespans: list[Function] = []
        self.overrides: dict[Any, Any] = {}
        self.mounted: list[Mount] = []
        self.folders: list[folders.Folder] = []
        self._provided: list[Function] = []
        self._policies: list[Policy] = []
        self._docs: tuple[str, str] | Literal["development"] | None = "development"
        self._asgi = Asgi(self)
        self._wsgi = Wsgi(self)
        self._rsgi = Rsgi(self._asgi)
        self._router: tuple[int, Router] | None = None
        # Calls go to the class's; this is for servers that tell ASGI 3 by its being a coroutine function.
        self.__dict__["__call__"] = self._asgi.__call__

    # --- what routes need

    def provide(self, function: F) -> F:
        """Have a function give the values of its return type: once in a request, to all who take one.

        It takes arguments as a handler does. With ``yield`` it is annotated ``-> AsyncIterator[Session]`` (or
        Iterator), and what stands behind the ``yield`` runs after the response; an exception of the handler is raised
        there.
        """
        self._provided.append(function)
        self._changed()
        return function

    def lifespan(self, function: F) -> F:
        """Have a function run when a worker starts, as far as its ``yield``, and the rest when it stops.

        What it yields, ``-> AsyncIterator[Pool]``, is there for everyone who takes a Pool, for as long as the worker
        runs. It may take what others yield, and the App.
        """
        self.lifespans.append(function)
        self._changed()
        return function

    @contextlib.contextmanager
    def override(self, kind: Any, value: Any) -> Generator[None]:
        """Give this value in place of a provider's, a resource's or a Depends function's: for tests, with a Client."""
        before = dict(self.overrides)
        self.overrides[kind] = value
        self._changed()
        try:
            yield
        finally:
            self.overrides = before
            self._changed()

    def use(self, *policies: Policy) -> None:
        """Add policies: Cors, Compress, RequestId, Limits, Sessions. ValueError for the second of a kind."""
        for policy in policies:
            if any(type(one) is type(policy) for one in self._policies):
                raise ValueError(f"there is a {type(policy).__name__} already")
            policy.told()
            self._policies.append(policy)
        self._changed()

    def mount(self, prefix: str, app: Any, *, kind: Kind | None = None, host: str = "") -> None:
        """Give a path and all below it to another application, of WSGI or ASGI; ``kind`` says which, if none can see.

        A WSGI application runs in threads. The lifespan of an ASGI application is run with this one's.
        """
        found = kind or ("asgi" if isinstance(app, App) or is_asgi(app) else "wsgi")
        if found not in {"asgi", "wsgi"}:
            raise ValueError(f"kind is asgi or wsgi, not {found!r}")
        self.mounted.append(Mount(prefix.rstrip("/") or "/", app, found, host, caller()))
        self._changed()

    def static(
        self,
        prefix: str,
        root: str | PathLike[str],
        *,
        cache: str | int = "",
        precompressed: bool = False,
        index: str = "",
        spa: str = "",
        links: bool = False,
        dotfiles: bool = False,
        host: str = "",
    ) -> None:
        """Serve the files of a folder, without Python: with Range, validators, and an eye on what changes.

        ``cache`` is for Cache-Control: "1y", "10m", seconds, or the whole value. ``precompressed`` sends name.zst,
        name.br or name.gz to who takes it. ``index`` stands for a folder ("index.html"), ``spa`` for the addresses of
        pages that are no files. Symbolic links lead out of the folder with ``links`` alone, and names that begin with
        a dot are there with ``dotfiles``. OSError when the folder cannot be opened.
        """
        found = folders.static(
            root,
            cache=cache,
            precompressed=precompressed,
            index=index,
            spa=spa,
            links=links,
            dotfiles=dotfiles,
        )
        self.folders.append(folders.Folder(prefix.rstrip("/") or "/", found, host, caller()))
        self._changed()

    def docs(self, path: str | None = "/docs", openapi: str = "/openapi.json") -> None:
        """Serve the documentation, and the OpenAPI document that it is made of; None for neither.

        Without a call they are served in development, which is ``velocem --reload``.
        """
        self._docs = None if path is None else (path, openapi)
        self._changed()

    # --- topics

    def publish(self, topic: str, message: Any) -> None:
        """Send a message to all who have subscribed to a topic, in this worker, and with ``pubsub`` in every one.

        Text and bytes are sent as they are, anything else as JSON. It may be called from any thread. RuntimeError when
        the application is not served.
        """
        data, text = pack(message)
        try:
            here = self.hubs.get(asyncio.get_running_loop())
        except RuntimeError:
            here = None
        if here is not None:
            here.publish(topic, data, text)
            return
        if not self.hubs:
            raise RuntimeError("the application is not served: nobody has subscribed")
        loops = list(self.hubs.items())
        for loop, hub in loops[:1] if self.pubsub else loops:
            loop.call_soon_threadsafe(hub.publish, topic, data, text)

    def events(self, *topics: str) -> TopicEvents:
        """Answer with what is published under these names from now on, as server-sent events.

        It is for a handler to return, of ``-> EventStream[T]``; nothing of it runs in Python for each subscriber.
        """
        return TopicEvents(self.hubs[asyncio.get_running_loop()], topics)

    @property
    def lost(self) -> int:
        """Messages that may not have reached other workers, since Redis was not there."""
        return sum(hub.bus.lost for hub in self.hubs.values() if hub.bus is not None)

    # --- telling

    def url(self, name: str | Function, /, **params: Any) -> str:
        """Build the path of a route, by its name or by its function: ``app.url("user", id=42)``.

        LookupError when there is none or the name has several, TypeError for other parameters than it has, ValueError
        for a value that it does not take.
        """
        router = self.router()
        if isinstance(name, str):
            return router.url(name, **params)
        found = [known for (number, _), known in self.names().items() if number == id(name)]
        if len(found) != 1:
            raise LookupError(f"{name_of(name)} has {len(found)} routes; give the name of one")
        return router.url(found[0], **params)

    def router(self) -> Router:
        """All routes, without what comes only with the start: for telling, not for serving."""
        if self._router is None or self._router[0] != self.revision:
            self._router = self.revision, make_router(self, make_all(self, self.registry_without_start()))
        return self._router[1]

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI 3.1 document."""
        from velocem.openapi import document  # noqa: PLC0415

        return document(self, make_all(self, self.registry_without_start()))

    @property
    def openapi_path(self) -> str | None:
        """Where the document is served, if it is."""
        return DOCS[1] if self._docs == "development" else self._docs and self._docs[1]

    # --- for the package

    def own_endpoints(self, *, development: bool) -> list[Endpoint]:
        """Those of the documentation."""
        if self._docs is None or (self._docs == "development" and not development):
            return []
        from velocem.docs import endpoints  # noqa: PLC0415

        return endpoints(self, *(DOCS if self._docs == "development" else self._docs))

    def names(self) -> dict[tuple[int, str], str]:
        """By function and pattern, the name of a route: what was given, or its function's if no other has that."""
        points = list(self.endpoints())
        taken = Counter(one.options.get("name") or name_of(one.function) for one in points)
        found: dict[tuple[int, str], str] = {}
        for one in points:
            name = one.options.get("name") or name_of(one.function)
            clear = "name" in one.options or taken[name] == 1
            found[id(one.function), one.pattern] = name if clear else f"{name} {one}"
        return found

    @property
    def root_errors(self) -> tuple[Errors, ...]:
        return (self._errors,)

    def registry(
        self, resources: Mapping[Any, Any], *, threads: bool | None = False, endings: Endings | None = None
    ) -> Registry:
        """What plans are made of. StartError for a type that two give."""
        found: dict[Any, providers.Provider] = {}
        found[Background] = providers.provider(background)
        if self.sessions is not None:
            found[Session] = providers.provider(self.sessions.load)
        for one in map(providers.provider, self._provided):
            if one.gives in found:
                raise StartError(f"two functions provide {one.gives}: {found[one.gives]}, {one}")
            found[one.gives] = one
        return Registry(self, found, resources, self.overrides, threads, endings or Endings())

    def registry_without_start(self) -> Registry:
        resources = {one.gives: None for one in map(providers.provider, self.lifespans) if one.gives is not None}
        return self.registry(resources)

    @property
    def sessions(self) -> Sessions | None:
        """How they are signed, if there are any."""
        return next((policy for policy in self._policies if isinstance(policy, Sessions)), None)

    @property
    def form_limits(self) -> FormLimits:
        """Of multipart forms."""
        found = next((policy for policy in self._policies if isinstance(policy, Limits)), None)
        return FormLimits() if found is None else found.of_forms()

    def policies(self) -> dict[str, Any]:
        """For the core."""
        return {name: value for policy in self._policies for name, value in policy.told().items()}

    # --- faces

    @property
    def asgi(self) -> Asgi:
        """The application as ASGI has it, for what cannot tell."""
        return self._asgi

    @property
    def wsgi(self) -> Wsgi:
        """The application as WSGI has it."""
        return self._wsgi

    def __call__(self, *arguments: Any) -> Any:
        """ASGI with three arguments, WSGI with two."""
        return self._asgi(*arguments) if len(arguments) == 3 else self._wsgi(*arguments)

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """RSGI, which Granian speaks beside ASGI and WSGI."""
        await self._rsgi(scope, protocol)

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Of RSGI: a worker starts."""
        loop.run_until_complete(self._asgi.start())

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Of RSGI: a worker stops."""
        loop.run_until_complete(self._asgi.stop())

    def __velocem_core__(
        self, loop: asyncio.AbstractEventLoop, *, threads: bool = False, development: bool = False
    ) -> Core:
        """For Velocem's own server: the core of what has been started on that loop."""
        running = self._asgi.of_loop(loop) or loop.run_until_complete(self._asgi.start())  # --lifespan off
        return running.again(threads=threads, development=development)
