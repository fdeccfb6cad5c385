"""Applications that fail in every way and every interface: one request is answered by 500 or cut, others go on."""

import re
import signal

import pytest
from support.client import Client, request
from support.faults import Start, Tell, wait_until, workers_of
from support.load import Load
from support.process import Process

KINDS = ["error", "generator", "recursion", "memory"]

# With an asyncio loop these end the loop, as they do everywhere in asyncio, and with it the worker.
ENDING = ["exit", "interrupt"]

RAISE = """
import sys

def deep(n):
    return deep(n + 1) + 1

def fail(kind):
    if kind == "recursion":
        deep(0)
    raise {"error": ValueError("it fails"), "exit": SystemExit(3), "interrupt": KeyboardInterrupt(),
           "generator": GeneratorExit(), "memory": MemoryError()}[kind]
"""

WSGI = (
    RAISE
    + """
def app(environ, start_response):
    _, when, *kind = environ["PATH_INFO"].split("/")
    if when == "before":
        fail(kind[0])
    start_response("200 OK", [("Content-Length", "4")])
    return stream(kind[0]) if when == "after" else [b"fine"]

def stream(kind):
    yield b"fi"
    fail(kind)
"""
)

ASGI = (
    RAISE
    + """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    _, when, *kind = scope["path"].split("/")
    if when == "before":
        fail(kind[0])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    if when == "after":
        await send({"type": "http.response.body", "body": b"fi", "more_body": True})
        fail(kind[0])
    await send({"type": "http.response.body", "body": b"fine"})
"""
)

NATIVE = (
    RAISE
    + """
from collections.abc import Iterator
from velocem import App

app = App()

@app.get("/")
def fine() -> str:
    return "fine"

@app.get("/before/{kind}")
def before(kind: str) -> str:
    fail(kind)

@app.get("/after/{kind}")
def after(kind: str) -> Iterator[str]:
    yield "fi"
    fail(kind)
"""
)

INTERFACES = {
    "WSGI on the loop": (WSGI, []),
    "WSGI in threads": (WSGI, ["--threads", "2"]),
    "ASGI": (ASGI, []),
    "native": (NATIVE, []),
}


def fail(process: Process, when: str, kind: str) -> str:
    """What its client sees: "500", or "cut"."""
    with Client(process.address) as client:
        client.send(request("GET", f"/{when}/{kind}", "Connection: close"))
        answer = client.read_all_of_broken()
    if re.match(rb"HTTP/1.1 500 [^\n]*\n", answer):
        assert b"Traceback" not in answer
        assert b"it fails" not in answer
        return "500"
    whole = b"fine" in answer or answer.endswith(b"0\r\n\r\n")
    return "whole" if whole else "cut"


@pytest.mark.parametrize("interface", INTERFACES)
def test_exceptions(start: Start, full: bool, tell: Tell, interface: str) -> None:
    """Exceptions, GeneratorExit, recursion, MemoryError, in WSGI also sys.exit, before and after the head."""
    source, options = INTERFACES[interface]
    process = start(source, "--workers", "1", *options)
    before, rounds = workers_of(process), 20 if full else 2
    kinds = [*KINDS, *ENDING] if source is WSGI else KINDS
    with Load(process.address, fresh=1, kept=2, pause=0.005) as load:
        early = [fail(process, "before", kind) for kind in kinds for _ in range(rounds)]
        late = [fail(process, "after", kind) for kind in kinds for _ in range(rounds)]
        load.wait_for(50)
    tell(
        f"{interface}: {len(early)} before, answered by 500: {early.count('500')}; "
        f"{len(late)} after, cut: {late.count('cut')}; beside them {load.figure}"
    )
    assert early == ["500"] * len(early)
    assert late == ["cut"] * len(late)
    assert load.losses == []
    assert workers_of(process) == before
    process.send(signal.SIGTERM)
    assert process.wait() == 0


def wait_for_another(process: Process, before: set[int]) -> None:
    wait_until(lambda: len(workers_of(process)) == 2 and before != workers_of(process))


@pytest.mark.parametrize("interface", ["ASGI", "native"])
def test_sys_exit_on_an_event_loop(start: Start, full: bool, tell: Tell, interface: str) -> None:
    """sys.exit() in a request on an event loop ends its worker: another takes its place, the other one goes on."""
    process = start(INTERFACES[interface][0], "--workers", "2")
    ends = 3 if full else 1
    with Load(process.address, fresh=2, pause=0.005) as load:
        seen = []
        for _ in range(ends):
            before = workers_of(process)
            seen.append(fail(process, "before", "exit"))
            wait_for_another(process, before)
            load.wait_for(50)
    tell(f"{interface}: {ends} times, answered by {' '.join(sorted(set(seen)))}; beside them {load.figure}")
    assert set(seen) == {"500"}
    assert load.figure.lost <= 2 * ends
