"""Signals to a process that serves ASGI: whatever ends it, the lifespan's shutdown comes last."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.client import Client, request
from support.process import Process

APPLICATION = """
import asyncio, os, socket, sys, time

def note(text):
    print(text, flush=True)

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if os.environ.get("STUCK"):
            note("stuck")
            await asyncio.sleep(600)
        if os.environ.get("OPENS"):
            pairs = [socket.socketpair() for _ in range(50)]
            note("opened")
            while not os.path.exists(os.environ["OPENS"]):
                await asyncio.sleep(0.01)
            for one in sum(pairs, ()):
                one.setblocking(False)
                try:
                    note(f"a byte has come: {one.recv(1)}")
                except BlockingIOError:
                    pass
            for one in sum(pairs, ()):
                one.close()
        note("shutdown")
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"] == "/block":
        note("blocks")
        time.sleep(600)
    if scope["path"] == "/wait":
        note("waits")
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            note("cancelled")
            raise
    if scope["path"] == "/exit":
        sys.exit(5)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "signalled.py").write_text(APPLICATION)
    return tmp_path


@pytest.fixture
def process(folder: Path) -> Iterator[Process]:
    with Process("signalled:app", "--port", "0", "--no-access-log", cwd=folder) as running:
        yield running


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def check_quiet(process: Process) -> None:
    """No task that asyncio misses."""
    said = "".join(process.errors)
    assert "pending" not in said, said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_idle_server_ends_with_its_shutdown(process: Process, number: signal.Signals) -> None:
    with Client(process.address) as client:
        assert client.ask(request()).body == b"hello"
    process.send(number)
    assert process.wait() == 0
    assert process.output == ["shutdown\n"]
    check_quiet(process)


def test_a_signal_while_the_application_shuts_down_writes_into_nothing_of_its(folder: Path) -> None:
    """Python writes a byte for each signal, to a descriptor that must not have become another's."""
    env = {"OPENS": str(folder / "now")}
    with Process("signalled:app", "--port", "0", "--no-access-log", cwd=folder, env=env) as process:
        process.send(signal.SIGTERM)
        until(lambda: "opened\n" in process.output)
        process.send(signal.SIGUSR1)
        (folder / "now").touch()
        assert process.wait() == 0
    assert process.output == ["opened\n", "shutdown\n"]


def test_an_interrupt_cancels_what_waits(process: Process) -> None:
    with Client(process.address) as client:
        client.send(request(target="/wait"))
        until(lambda: "waits\n" in process.output)
        process.send(signal.SIGINT)
        assert process.wait() == 0
    assert process.output == ["waits\n", "cancelled\n", "shutdown\n"]
    check_quiet(process)


def test_an_interrupt_breaks_into_what_blocks(process: Process) -> None:
    with Client(process.address) as client:
        client.send(request(target="/block"))
        until(lambda: "blocks\n" in process.output)
        process.send(signal.SIGINT)
        assert process.wait() == 0
    assert process.output == ["blocks\n", "shutdown\n"]
    check_quiet(process)


def test_an_application_that_exits_takes_its_server_along(process: Process) -> None:
    with Client(process.address) as client:
        assert client.ask(request()).body == b"hello"
        client.send(request(target="/exit"))
        assert process.wait() == 5
    assert process.output == ["shutdown\n"]
    check_quiet(process)


def test_a_second_interrupt_does_not_wait_for_the_shutdown(folder: Path) -> None:
    with Process("signalled:app", "--port", "0", "--no-access-log", cwd=folder, env={"STUCK": "1"}) as process:
        with Client(process.address) as client:
            assert client.ask(request()).body == b"hello"
        process.send(signal.SIGINT)
        until(lambda: process.output == ["stuck\n"])
        assert process.popen.poll() is None
        process.send(signal.SIGINT)
        assert process.wait() == 0
    assert process.output == ["stuck\n"]
