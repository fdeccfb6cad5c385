"""Peers that vanish without FIN or RST: their network ends, and nothing is acknowledged any more."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
from support.client import request
from support.faults import Start, Tell, descriptors, wait_until, workers_of
from support.flat import hand_shake
from support.island import Island
from support.load import Load

WSGI = """
def app(environ, start_response):
    size = len(environ["wsgi.input"].read())
    start_response("200 OK", [("Content-Length", "20000000" if environ["PATH_INFO"] == "/much" else "2")])
    return (b"x" * 100_000 for _ in range(200)) if environ["PATH_INFO"] == "/much" else [b"ok"]
"""

ASGI = """
async def app(scope, receive, send):
    assert scope["type"] in ("http", "websocket")
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] == "websocket.receive":
            pass
        return
    while (message := await receive()).get("more_body"):
        pass
    if message["type"] == "http.disconnect":
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length",
        b"20000000" if scope["path"] == "/much" else b"2")]})
    for _ in range(200 if scope["path"] == "/much" else 0):
        await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
    await send({"type": "http.response.body", "body": b"" if scope["path"] == "/much" else b"ok"})
"""

NATIVE = """
from collections.abc import AsyncIterator
from velocem import App, Body, WebSocket

app = App()

@app.get("/")
def root() -> str:
    return "ok"

@app.post("/")
def post(body: Body[bytes]) -> str:
    return "ok"

@app.get("/much")
async def much() -> AsyncIterator[bytes]:
    for _ in range(200):
        yield b"x" * 100_000

@app.ws("/socket")
async def socket(ws: WebSocket[str, str]) -> None:
    async for message in ws:
        pass
"""

INTERFACES = {
    "WSGI on the loop": (WSGI, ["--limit-spool", "0"]),
    "WSGI in threads": (WSGI, ["--threads", "4"]),
    "ASGI": (ASGI, ["--ws-ping-interval", "1", "--ws-ping-timeout", "1"]),
    "native": (NATIVE, ["--ws-ping-interval", "1", "--ws-ping-timeout", "1"]),
}

TIMEOUTS = [f"--timeout-{what}={seconds}" for what, seconds in
            (("keep-alive", 2), ("header", 2), ("body", 2), ("write", 2))]  # fmt: skip

# What they have sent when they go, and how much of an answer they have read.
STAGES = {
    "before a request": (b"", 0),
    "in a head": (b"GET / HTTP/1.1\r\nHos", 0),
    "in a body": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nab", 0),
    "in a chunk": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nab", 0),
    "in an answer": (request("GET", "/much"), 1000),
    "after an answer": (request(), 30),
}


@pytest.fixture
def island() -> Iterator[Island]:
    with Island() as made:
        yield made


@pytest.mark.parametrize("interface", INTERFACES)
def test_half_open_peers(start: Start, island: Island, full: bool, tell: Tell, interface: str) -> None:
    """Peers that vanish without FIN or RST and acknowledge nothing, at each stage (all time-outs 2 s), beside load."""
    source, options = INTERFACES[interface]
    stages = STAGES if source is WSGI else STAGES | {"in a WebSocket": (hand_shake("/socket"), 30)}
    process = start(source, "--host", island.ours, "--workers", "1", *TIMEOUTS, *options)
    before, each = workers_of(process), 10 if full else 2
    (worker,) = before
    count = descriptors(worker)
    with ExitStack() as stack, Load(process.address, fresh=1, kept=1, pause=0.005) as load:
        clients = [stack.enter_context(closing(one)) for one in island.connect(process.address, each * len(stages))]
        wait_until(lambda: descriptors(worker) >= count + len(clients))
        for client, (sent, read) in zip(clients, list(stages.values()) * each, strict=True):
            client.send(sent)
            client.take(read)
        island.cut()
        start_of_silence = time.monotonic()
        # A connection of the load and what is kept for it may be there.
        wait_until(lambda: descriptors(worker) <= count + 4, 30)
        took = time.monotonic() - start_of_silence
        load.wait_for(50)
    tell(f"{interface}: {len(clients)} at {len(stages)} stages, let go within {took:.1f} s; beside them {load.figure}")
    assert load.losses == []
    assert workers_of(process) == before
    wait_until(lambda: descriptors(worker) <= count, 20)
