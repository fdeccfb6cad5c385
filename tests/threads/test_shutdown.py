"""Stopping while threads are busy: those that end are waited for, those that hang keep nobody."""

import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.client import Client, request
from support.faults import wait_until
from support.process import Process
from support.wsgi import Serve

from velocem import Server

SOURCE = """
import ctypes, os, threading, time

def waits(environ):
    time.sleep(float(environ["QUERY_STRING"]))
    return b"waited"

def hangs(environ):
    time.sleep(1000)

def spins(environ):
    while True:
        pass

def holds_the_interpreter(environ):
    ctypes.PyDLL(None).usleep(600_000)  # does not give the GIL back
    return b"held"

def app(environ, start_response):
    print("inside", flush=True)
    body = globals()[environ["PATH_INFO"][1:]](environ)
    start_response("200 OK", [])
    return [body]
"""


def names() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("velocem-")]


def wait_for_threads(count: int) -> None:
    wait_until(lambda: len(names()) == count)


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., Process]:
    (tmp_path / "busy.py").write_text(SOURCE)
    return lambda *options: Process("busy:app", "--port", "0", "--threads", "2", *options, cwd=tmp_path)


def ends_within(process: Process, seconds: float) -> int:
    begun = time.monotonic()
    status = process.popen.wait(60)
    assert time.monotonic() - begun < seconds
    return status


def enter(process: Process, path: str) -> Client:
    """A request that is in the application."""
    client, before = Client(process.address), len(process.output)
    client.send(request("GET", path))
    wait_until(lambda: len(process.output) > before)
    return client


def has_heard(process: Process) -> bool:
    """Whether it has taken the first signal to heart: nobody is let in any more."""
    try:
        Client(process.address).close()
    except ConnectionRefusedError:
        return True
    return process.popen.poll() is not None


def test_sigterm_waits_for_busy_threads(start: Callable[..., Process]) -> None:
    with start() as process, enter(process, "/waits?1") as client:
        process.popen.send_signal(signal.SIGTERM)
        response = client.read()
        assert (response.body, response.closes) == (b"waited", True)
        assert ends_within(process, 10) == 0


@pytest.mark.parametrize("path", ["/hangs", "/spins"])
def test_sigterm_waits_no_longer_than_it_is_told(start: Callable[..., Process], path: str) -> None:
    with start("--timeout-graceful-shutdown", "0.5") as process, enter(process, path):
        process.popen.send_signal(signal.SIGTERM)
        assert ends_within(process, 10) == 0
    assert any("left behind" in line for line in process.errors)


@pytest.mark.parametrize("path", ["/hangs", "/spins", "/holds_the_interpreter"])
@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGTERM, signal.SIGTERM]], ids=["int", "term twice"])
def test_at_once_does_not_wait(start: Callable[..., Process], path: str, signals: list[signal.Signals]) -> None:
    with start() as process, enter(process, path), enter(process, path):
        for number in signals:
            process.popen.send_signal(number)
            wait_until(lambda: has_heard(process))
        # What holds the interpreter comes to its end, and the second may meet a process that is on its way out.
        ends = (0, -signals[-1]) if path == "/holds_the_interpreter" else (0,)
        assert ends_within(process, 10) in ends


def test_the_idle_end_at_once(start: Callable[..., Process]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        with start() as process, Client(process.address):
            process.popen.send_signal(number)
            assert ends_within(process, 10) == 0
            assert not any("left behind" in line for line in process.errors)


def test_a_server_takes_its_threads_with_it(serve: Serve) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [threading.current_thread().name.encode()]

    for _ in range(3):
        with Server(app, threads=3) as server, Client(server) as client:
            assert client.ask(request()).body.startswith(b"velocem-")
            wait_for_threads(3)
        wait_for_threads(0)


def test_several_servers_have_threads_of_their_own(serve: Serve) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [environ["SERVER_PORT"].encode()]

    servers = [serve(app, threads=2) for _ in range(3)]
    wait_for_threads(6)
    for server in servers * 3:
        with Client(server) as client:
            assert client.ask(request()).body == b"%d" % server.port


def test_a_server_whose_thread_hangs_stops_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    begun, let_go = threading.Event(), threading.Event()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        begun.set()
        let_go.wait(60)
        start_response("200 OK", [])
        return [b"late"]

    server = Server(app, threads=2)
    server.start()
    with Client(server) as client:
        client.send(request())
        assert begun.wait(30)
        server.stop(at_once=True)
        assert client.is_closed()
    assert "left behind" in caplog.text
    let_go.set()
    wait_for_threads(0)  # it has found its way out


def test_a_thread_that_is_left_behind_may_still_stream() -> None:
    let_go, over = threading.Event(), threading.Event()

    class Result:
        def __iter__(self) -> Any:
            yield b"first"
            let_go.wait(30)
            for _ in range(100):
                yield b"x" * 100_000

        def close(self) -> None:
            over.set()

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        return Result()

    server = Server(app, threads=1)
    server.start()
    with Client(server) as client:
        client.send(request())
        client.read_status()
        client.read_fields()
        assert client.chunk_size() == 5
        server.stop(at_once=True)
    let_go.set()
    assert over.wait(10)  # close() is called, whatever has become of the client
