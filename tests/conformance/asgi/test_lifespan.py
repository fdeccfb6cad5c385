"""ASGI lifespan 2.0: begun before the first connection, ended behind the last, with a state that scopes get."""

import asyncio

import pytest
from support.asgi import answer
from support.client import Client, request

from velocem import Server
from velocem.exceptions import ApplicationError, StartError
from velocem.types import Message, Receive, Scope, Send


class Application:
    """Notes what it is told; startup and shutdown are what it says."""

    def __init__(self, startup: Message | None = None, shutdown: Message | None = None) -> None:
        self.startup = startup or {"type": "lifespan.startup.complete"}
        self.shutdown = shutdown or {"type": "lifespan.shutdown.complete"}
        self.told: list[str] = []
        self.states: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            self.told.append("request")
            self.states.append(scope["state"])
            scope["state"]["changed"] = True
            await answer(send, b"x")
            return
        self.told.append((await receive())["type"])
        scope["state"]["pool"] = "a pool"
        await send(self.startup)
        self.told.append((await receive())["type"])
        await send(self.shutdown)


def test_it_goes_round_the_requests() -> None:
    app = Application()
    with Server(app) as server, Client(server) as client:
        for _ in range(2):
            client.ask(request())
    assert app.told == ["lifespan.startup", "request", "request", "lifespan.shutdown"]


def test_its_state_is_copied_into_each_scope() -> None:
    app = Application()
    with Server(app) as server, Client(server) as client:
        for _ in range(2):
            client.ask(request())
    assert app.states[0] is not app.states[1]
    assert all(state == {"pool": "a pool", "changed": True} for state in app.states)


def test_a_failed_start_is_told_with_its_message() -> None:
    app = Application(startup={"type": "lifespan.startup.failed", "message": "no database"})
    with pytest.raises(StartError, match=r"^the application failed to start: no database$"):
        Server(app).start()


async def without(scope: Scope, _receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    await answer(send, b"served")


def test_one_without_a_lifespan_is_served() -> None:
    with Server(without) as server, Client(server) as client:
        assert client.ask(request()).body == b"served"


def test_one_without_a_lifespan_is_refused_when_it_was_insisted_on() -> None:
    with pytest.raises(ApplicationError, match="the application does not take part in its lifespan"):
        Server(without, lifespan="on").start()


def test_off_asks_nobody() -> None:
    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        assert "state" not in scope
        await answer(send, scope["type"].encode())

    with Server(app, lifespan="off") as server, Client(server) as client:
        assert client.ask(request()).body == b"http"


def test_a_failed_shutdown_is_logged_and_stops_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    app = Application(shutdown={"type": "lifespan.shutdown.failed", "message": "still busy"})
    with Server(app) as server, Client(server) as client:
        client.ask(request())
    assert "the application failed to shut down: still busy" in caplog.text


def test_shutdown_comes_behind_streams_which_are_told_of_the_drain() -> None:
    order: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            order.append("shutdown")
            await send({"type": "lifespan.shutdown.complete"})
            return
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"event\n", "more_body": True})
        order.append((await receive())["type"])
        await send({"type": "http.response.body", "body": b"end\n"})

    server = Server(app)
    server.start()
    with Client(server) as client:
        client.send(request())
        while b"event" not in client.pending:
            client.fill()
        server.stop()
        assert client.read().body == b"event\nend\n"
    assert order == ["http.disconnect", "shutdown"]


def test_what_does_not_end_in_time_is_cancelled() -> None:
    order: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            order.append("shutdown")
            await send({"type": "lifespan.shutdown.complete"})
            return
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            order.append("cancelled")
            raise

    server = Server(app, timeout_graceful_shutdown=0.3)
    server.start()
    with Client(server) as client:
        client.send(request())
        while not server.stats()["requests"]:
            pass
        server.stop()
    assert order == ["cancelled", "shutdown"]
