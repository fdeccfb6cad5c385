"""An application that does not come back: the deadline ends its worker, shows where it was, and costs nobody else."""

import re
import signal
import time
from contextlib import ExitStack

import pytest
from support.client import Client, request
from support.faults import Start, Tell, wait_until, workers_of
from support.load import Load
from support.process import Process

HANGS = {
    "a loop": "while True:\n        pass",
    "a sleep": "__import__('time').sleep(3600)",
    "a call that keeps the interpreter": "__import__('re').fullmatch('(a+)+', 'a' * 40 + 'b')",
}

WSGI = """
import os

def get_stuck():
    {hang}

def app(environ, start_response):
    if environ["PATH_INFO"] == "/hang":
        get_stuck()
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""

ASGI = """
def get_stuck():
    {hang}

async def app(scope, receive, send):
    assert scope["type"] == "http"
    if scope["path"] == "/hang":
        get_stuck()
    await send({{"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}})
    await send({{"type": "http.response.body", "body": b"ok"}})
"""

NATIVE = """
from velocem import App

app = App()

def get_stuck():
    {hang}

@app.get("/")
def ok() -> str:
    return "ok"

@app.get("/hang", blocking={blocking})
def hang() -> str:
    get_stuck()
    return "never"
"""

INTERFACES = {
    "WSGI on the loop": (WSGI, []),
    "WSGI in threads": (WSGI, ["--threads", "2"]),
    "ASGI": (ASGI, []),
    "native": (NATIVE.replace("{blocking}", "False"), []),
    "native in a thread": (NATIVE.replace("{blocking}", "True"), []),
}


# A worker of whose threads one is stuck gets so long for the others.
GRACE = ["--timeout-graceful-shutdown", "1"]


def hang(process: Process, stack: ExitStack) -> int:
    """One request that hangs; the worker that has it."""
    client = stack.enter_context(Client(process.address))
    client.send(request("GET", "/hang"))
    wait_until(lambda: find(process, r"A call of the application does not come back \(process (\d+)\)"), 30)
    return int(find(process, r"A call of the application does not come back \(process (\d+)\)"))


def find(process: Process, pattern: str) -> str:
    match = re.search(pattern, "".join(process.errors))
    return match[1] if match else ""


@pytest.mark.parametrize("interface", INTERFACES)
@pytest.mark.parametrize("how", HANGS)
def test_a_stuck_application(start: Start, tell: Tell, interface: str, how: str) -> None:
    """A call of the application that does not come back (--timeout-request 1), beside two workers' load."""
    source, options = INTERFACES[interface]
    process = start(source.format(hang=HANGS[how]), "--workers", "2", "--timeout-request", "1", *GRACE, *options)
    with ExitStack() as stack:
        before = workers_of(process)
        victim = hang(process, stack)
        wait_until(lambda: victim not in workers_of(process) and len(workers_of(process)) == 2, 60)
        assert before - {victim} <= workers_of(process)
        with Load(process.address, fresh=2, pause=0.005) as load:
            load.wait_for(50)
    log = "".join(process.errors)
    assert re.search(r"File .*faulty.py.*in get_stuck", log), log
    assert "is stuck: it is replaced" in log
    tell(f"{interface}, {how}: its stack is in the log, one worker of two is replaced; then {load.figure}")
    assert load.losses == []


BUSY = """
import threading, time

time.sleep({seconds})

def burn():
    while True:
        pass

threading.Thread(target=burn, daemon=True).start()

def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


@pytest.mark.parametrize("threads", ["0", "2"])
def test_what_is_slow_is_not_stuck(start: Start, full: bool, tell: Tell, threads: str) -> None:
    """An import of 2 s and a thread that keeps the interpreter busy, with --timeout-request 1: nobody is ended."""
    process = start(BUSY.format(seconds=2), "--workers", "1", "--timeout-request", "1", "--threads", threads)
    before = workers_of(process)
    with Load(process.address, kept=2) as load:
        load.wait_for(200 if full else 50)
    assert workers_of(process) == before
    assert "stuck" not in "".join(process.errors)
    tell(f"--threads {threads}: {load.figure}")
    assert load.losses == []


SLOW_READER = """
def app(environ, start_response):
    start_response("200 OK", [])
    for _ in range(400):
        yield b"x" * 65536
"""


@pytest.mark.parametrize("threads", ["0", "1"])
def test_a_slow_reader_is_not_a_stuck_application(start: Start, tell: Tell, threads: str) -> None:
    """A client that reads a long response slowly, with --timeout-request 1: its worker goes on."""
    process = start(SLOW_READER, "--workers", "1", "--timeout-request", "1", "--threads", threads, "--limit-spool", "0")
    before = workers_of(process)
    with Client(process.address, timeout=30) as client:
        client.send(request())
        client.read_status()
        client.read_fields()
        time.sleep(3)  # three deadlines, in which nothing is read
        total = 0
        while size := client.chunk_size():
            total += len(client.take(size))
            client.take(2)
    assert total == 400 * 65536
    assert workers_of(process) == before
    tell(f"--threads {threads}: {total >> 20} MiB whole")
    process.send(signal.SIGTERM)
    assert process.wait() == 0
