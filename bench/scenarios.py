"""What is asked of the entrants: the request's bytes, how the load is made, and the answer that must come back."""

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import realtime
from asked import BROWSER, FILE_SIZE, KIB, MIB, Answer, Load, Scenario, as_size, get, post, word

if TYPE_CHECKING:
    from entrants import Kind

# What a full run can afford. Everyone says hello, is weighed and started; the rest is for the fastest of each interface
# and the best known, and what takes long for the fewest.
USUAL = frozenset(
    {
        *("bjoern", "fastpysgi", "fastwsgi", "granian", "granian-asgi", "granian-rsgi", "japronto"),
        *("socketify", "uvicorn", "velocem-0.0.9", "uwsgi-direct"),
    }
)
FEW = frozenset({"fastpysgi", "granian", "granian-asgi", "granian-rsgi", "socketify", "uvicorn"})
FEWEST = frozenset({"fastpysgi", "granian", "uvicorn"})
# An application's cost hides the server's: the usual and the fastest will do.
# Behind nginx; what nginx itself costs is looked at once, and TCP only when it is asked for.
FRONTED = frozenset(
    {
        *("velocem-by-uwsgi", "velocem-by-http", "uwsgi-by-uwsgi", "uwsgi-by-http", "fastwsgi-by-http"),
        "granian-by-http",
    }
)
WHOLE = frozenset({"velocem-by-uwsgi-all", "velocem-by-http-all"})
THREADED = frozenset({"gunicorn", "granian", "waitress", "cheroot"})
LOOPS = frozenset({"asyncio", "rloop", "uvloop"})  # large messages are the kernel's
PAGERS = frozenset({"gunicorn", "fastpysgi", "fastpysgi-asgi", "granian", "granian-asgi", "uvicorn"})


def servers() -> Iterator[Scenario]:
    yield Scenario(name="hello", title="hello, kept alive", app="hello", request=get(), rounds=7)
    yield Scenario(
        name="headers",
        title="14 browser header fields",
        app="hello",
        request=get("/", BROWSER.replace("\n", "\r\n")),
        among=USUAL,
        rounds=7,
    )
    yield Scenario(
        name="awaits",
        title="hello after an await of sleep(0)",
        app="awaits",
        request=get(),
        among=USUAL,
        rounds=5,
    )
    yield Scenario(
        name="pipelined",
        title="16 pipelined, each",
        app="hello",
        request=get(),
        load=Load(together=16),
        among=USUAL,
        rounds=5,
    )
    yield Scenario(
        name="close",
        title="a connection per request",
        app="hello",
        request=get("/", "Connection: close\r\n"),
        load=Load(keep_alive=False),
        among=USUAL,
        rounds=5,
    )
    yield Scenario(
        name="idle",
        title="64 active beside 10,000 idle",
        app="hello",
        request=get(),
        load=Load(idle=10_000),
        among=FEW,
        rounds=3,
    )
    yield Scenario(
        name="sleep",
        title="an application that sleeps 10 ms, in 32 threads",
        app="sleep",
        request=get(),
        among=THREADED,
        rounds=3,
        floor=False,
        threads=32,
    )
    yield Scenario(
        name="workers",
        title="one worker and two, on cores shared with the client",
        app="hello",
        request=get(),
        among=frozenset(),
        rounds=5,
        floor=False,
        shared=True,
    )
    for part in (0.5, 0.8):
        yield Scenario(
            name=f"open-{part * 100:.0f}",
            title=f"hello at {part:.0%} of the slowest server's capacity",
            app="hello",
            group="open",
            request=get(),
            load=Load(way="open", part=part),
            among=FEW,
            rounds=3,
        )
    for size in (KIB, 64 * KIB, 10 * MIB):
        yield Scenario(
            name=f"post-{word(size)}",
            title=f"POST of {as_size(size)}",
            app="post",
            request=post(size),
            body_filler=size,
            answer=Answer(body=b"%d" % size),
            load=Load(connections=64 if size < MIB else 8),
            among=USUAL,
            rounds=7 if size == KIB else 3,
        )
    for size in (100 * KIB, 10 * MIB):
        yield Scenario(
            name=f"out-{word(size)}",
            title=f"{as_size(size)} out",
            app="big",
            request=get(),
            answer=Answer(content_type="application/octet-stream", filler=size),
            load=Load(connections=64 if size < MIB else 8),
            unit="MiB",
            size=size,
            among=USUAL if size < MIB else FEW,
            rounds=5 if size < MIB else 3,
        )
    yield Scenario(
        name="file",
        title="10 MiB file by file_wrapper",
        app="file",
        request=get(),
        answer=Answer(content_type="application/octet-stream", filler=FILE_SIZE),
        load=Load(connections=8),
        unit="MiB",
        among=USUAL,
        rounds=3,
    )
    yield Scenario(
        name="chunks",
        title="100 chunks of 1 KiB",
        app="chunks",
        request=get(),
        answer=Answer(filler=100 * KIB),
        among=FEW,
        rounds=3,
    )
    yield Scenario(
        name="memory",
        title="an idle kept-alive connection",
        app="hello",
        request=get(),
        load=Load(way="memory", idle=5000),
        unit="connection",
    )
    yield Scenario(
        name="start", title="start-up", app="hello", request=get(), load=Load(way="start"), unit="start", rounds=3
    )
    for size in (128, 64 * KIB):
        yield Scenario(
            name=f"ws-{word(size)}",
            title=f"WebSocket echo of {as_size(size)}",
            app="ws_echo",
            group="websocket",
            load=Load(way="websocket", size=size),
            unit="message",
            among=FEW,
            rounds=3,
        )


def behind_nginx() -> Iterator[Scenario]:
    """What the servers of WSGI say alone, said through nginx: what it costs them."""
    asked = {
        "hello": ("hello", get(), 0),
        "headers": ("14 browser header fields", get("/", BROWSER.replace("\n", "\r\n")), 0),
        "post-1k": ("POST of 1 KiB", post(KIB), KIB),
    }
    for name, (title, request, size) in asked.items():
        yield Scenario(
            name=f"nginx-{name}",
            title=f"{title}, behind nginx",
            app="post" if size else "hello",
            group="nginx",
            request=request,
            body_filler=size,
            answer=Answer(body=b"%d" % size) if size else Answer(),
            among=FRONTED | WHOLE if name == "hello" else FRONTED,
            rounds=3,
            fronted=True,
        )


ITEM = {"name": "Widget", "price": 12.5, "quantity": 3, "tags": ["red", "small"]}
TOTAL = {"name": "Widget", "total": 37.5, "tags": 2}


def frameworks() -> Iterator[Scenario]:
    """Asked of the servers too that are a framework at the same time: those whose folder has the applications."""
    kinds: frozenset[Kind] = frozenset({"framework", "server"})
    yield Scenario(
        name="json",
        title="JSON",
        app="as_json",
        group="frameworks",
        request=get("/json"),
        answer=Answer(content_type="application/json", value={"message": "Hello, World!"}),
        kinds=kinds,
        rounds=3,
    )
    yield Scenario(
        name="param",
        title="path parameter",
        app="param",
        group="frameworks",
        request=get("/users/1234"),
        answer=Answer(body=b"user 1234"),
        kinds=kinds,
        rounds=3,
    )
    yield Scenario(
        name="user",
        title="parameters of path and query, as JSON",
        app="user",
        group="frameworks",
        request=get("/users/42?q=hello"),
        answer=Answer(content_type="application/json", value={"id": 42, "q": "hello"}),
        kinds=kinds,
        rounds=3,
    )
    item = json.dumps(ITEM).encode()
    yield Scenario(
        name="validated",
        title="validated JSON POST",
        app="validated",
        group="frameworks",
        request=post(len(item), "application/json", "/items"),
        body=item,
        bad_body=json.dumps(ITEM | {"quantity": "many"}).encode(),
        answer=Answer(content_type="application/json", value=TOTAL),
        kinds=kinds,
        rounds=3,
    )


def pages() -> Iterator[Scenario]:
    """The second page of twenty of a list of items, as a real application makes it."""
    for name, about, content_type in (
        ("flask", "Flask", "text/html"),
        ("django", "Django", "text/html"),
        ("fastapi", "FastAPI", "application/json"),
    ):
        yield Scenario(
            name=name,
            title=f"a page of {about}",
            app=f"{name}_page",
            group="pages",
            request=get("/items?page=2", BROWSER.replace("\n", "\r\n")),
            answer=Answer(content_type=content_type, pieces=(b"Item 21", b"Item 40")),
            among=PAGERS,
            rounds=3,
            requirements=f"page-{name}.txt",
            floor=False,
        )


def answers_of_frameworks() -> Iterator[Scenario]:
    """The same application of a framework, by the servers that it is run on."""
    for name, about in (("starlette", "Starlette"), ("fastapi", "FastAPI")):
        yield Scenario(
            name=f"{name}-json",
            title=f"JSON of {about}",
            app=f"{name}_json",
            group="pages",
            request=get("/json"),
            answer=Answer(content_type="application/json", value={"message": "Hello, World!"}),
            among=PAGERS,
            rounds=5,
            requirements="page-fastapi.txt",
        )


def loops() -> Iterator[Scenario]:
    kinds: frozenset[Kind] = frozenset({"loop"})
    for app, about in (
        ("protocol_echo", "protocol"),
        ("buffered_echo", "buffered protocol"),
        ("streams_echo", "streams"),
        ("sock_echo", "sock_recv and sock_sendall"),
    ):
        for size in (KIB, 100 * KIB):
            yield Scenario(
                name=f"loop-{app.partition('_')[0]}-{word(size)}",
                title=f"loop: {about}, echo of {as_size(size)}",
                app=app,
                group="loops",
                load=Load(way="echo", size=size),
                kinds=kinds,
                among=None if size == KIB else LOOPS,
                rounds=3,
                unit="message",
                size=size,
            )
    for app, about in (
        ("call_soon", "call_soon"),
        ("call_later", "call_later and cancel"),
        ("sleep_zero", "sleep(0)"),
        ("tasks", "a task"),
        ("futures", "a future"),
        ("threadsafe", "call_soon_threadsafe"),
    ):
        yield Scenario(
            name=f"loop-{app.replace('_', '-')}",
            title=f"loop: {about}",
            app=app,
            group="loops",
            load=None,
            kinds=kinds,
            rounds=3,
            unit="operation",
        )


def routers() -> Iterator[Scenario]:
    for app, about in (
        ("github", "GitHub's 203 routes"),
        ("static", "1,000 static routes"),
        ("miss", "a miss among GitHub's routes"),
        ("not_allowed", "a method that is not allowed"),
    ):
        yield router(f"router-{app.replace('_', '-')}", f"router: {about}", "routers", app)
    for routes in (10, 100, 1000, 10_000):
        growing = router(f"routes-{routes}", f"router: {routes:,} routes", "grow-routes", "grow", routes)
        yield growing


def router(name: str, title: str, group: str, app: str, routes: int = 0) -> Scenario:
    return Scenario(
        name=name,
        title=title,
        app=app,
        group=group,
        load=None,
        kinds=frozenset({"router"}),
        rounds=3,
        unit="operation",
        size=routes,
        point=routes,
    )


def growth() -> Iterator[Scenario]:
    for connections in (1, 10, 1000, 10_000):
        yield Scenario(
            name=f"connections-{connections}",
            title=f"hello on {connections:,} connections",
            app="hello",
            group="grow-connections",
            request=get(),
            load=Load(connections=connections),
            among=FEWEST,
            rounds=3,
            point=connections,
        )
    for count in (1, 10, 100):
        more = "".join(f"X-Field-{number}: value of field {number}\r\n" for number in range(1, count))
        yield Scenario(
            name=f"fields-{count}",
            title=f"{count} header fields",
            app="hello",
            group="grow-fields",
            request=get("/", more),
            among=FEWEST,
            rounds=3,
            point=count,
        )
    sizes = (1, 64 * KIB, MIB, 100 * MIB)
    for size in sizes:
        yield Scenario(
            name=f"in-{word(size)}",
            title=f"{as_size(size)} in",
            app="post",
            group="grow-in",
            request=post(size),
            body_filler=size,
            answer=Answer(body=b"%d" % size),
            load=Load(connections=64 if size < MIB else 4),
            among=FEWEST,
            rounds=3,
            point=size,
        )
    for size in sizes:
        yield Scenario(
            name=f"answer-{word(size)}",
            title=f"{as_size(size)} out",
            app="big",
            group="grow-out",
            request=get(),
            answer=Answer(content_type="application/octet-stream", filler=size),
            load=Load(connections=64 if size < MIB else 4),
            among=FEWEST,
            rounds=3,
            size=size,
            point=size,
        )


EVERY = (
    *servers(),
    *behind_nginx(),
    *frameworks(),
    *realtime.scenarios(),
    *pages(),
    *answers_of_frameworks(),
    *loops(),
    *routers(),
    *growth(),
)
BY_NAME: Mapping[str, Scenario] = {scenario.name: scenario for scenario in EVERY}
