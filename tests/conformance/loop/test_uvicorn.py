"""uvicorn with --loop velocem:new_event_loop."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from support import loops, served
from support.certificates import Pair
from support.process import environment
from websockets.asyncio.client import connect

RUNNING = re.compile(r"running on (https?://[\d.]+:\d+)")
KIND = f"{loops.KIND.__module__}.{loops.KIND.__qualname__}"


class Uvicorn:
    """The command, in a process of its own, with the loop of the tests."""

    def __init__(self, *options: str) -> None:
        command = [sys.executable, "-m", "uvicorn", "support.served:app", "--loop", loops.NAME, "--port", "0", *options]
        here = Path(__file__).parents[2] / "py"
        self.popen = subprocess.Popen(
            command, cwd=here, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.output: list[str] = []
        self.url = ""
        self.started = threading.Event()
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        assert self.started.wait(30), self.output
        assert self.url, self.output

    def read(self) -> None:
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            self.output.append(line)
            if match := RUNNING.search(line):
                self.url = match[1]
                self.started.set()
        self.started.set()

    def stop(self) -> int:
        """The exit status after SIGTERM."""
        self.popen.send_signal(signal.SIGTERM)
        try:
            return self.popen.wait(30)
        finally:
            self.popen.kill()
            self.popen.wait()
            self.reader.join()
            assert self.popen.stdout is not None
            self.popen.stdout.close()


@pytest.fixture(params=["h11", "httptools"])
def server(request: pytest.FixtureRequest) -> Iterator[Uvicorn]:
    """With each of its two parsers; it has to end well."""
    running = Uvicorn("--http", request.param, "--ws", "websockets-sansio")
    try:
        yield running
    finally:
        status = running.stop()
    assert status == -signal.SIGTERM, running.output
    assert "the lifespan ended\n" in running.output
    assert not [line for line in running.output if "Traceback" in line], running.output


def test_it_runs_on_the_loop(server: Uvicorn) -> None:
    assert httpx.get(f"{server.url}/loop").text == f"{KIND} lifespan.startup"


def test_bodies_come_back(server: Uvicorn) -> None:
    with httpx.Client(base_url=server.url) as client:
        for size in (0, 1, 1000, 4 << 20):
            body = os.urandom(size)
            assert client.post("/echo", content=body).content == body


def test_many_at_once(server: Uvicorn) -> None:
    with httpx.Client(base_url=server.url) as client, ThreadPoolExecutor(16) as pool:
        bodies = [b"%d" % number for number in range(300)]
        assert list(pool.map(lambda body: client.post("/echo", content=body).content, bodies)) == bodies


def test_a_stream(server: Uvicorn) -> None:
    assert httpx.get(f"{server.url}/stream").content == served.BLOCK * 100


def test_a_websocket(server: Uvicorn) -> None:
    async def talk() -> None:
        async with connect(server.url.replace("http", "ws"), max_size=None) as client:
            for message in ("text", b"bytes", os.urandom(1 << 20)):
                await client.send(message)
                assert await client.recv() == message

    asyncio.run(talk())


def test_a_request_under_way_is_finished_before_it_ends(server: Uvicorn) -> None:
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(httpx.get, f"{server.url}/sleep")
        with httpx.Client(base_url=server.url) as client:
            while "sleep" not in client.get("/loop").text:
                pass
        server.popen.send_signal(signal.SIGTERM)
        assert answer.result(30).content == b"slept"


def test_https(certificate: Pair) -> None:
    running = Uvicorn("--ssl-keyfile", str(certificate.key), "--ssl-certfile", str(certificate.certificate))
    try:
        with httpx.Client(base_url=running.url, verify=certificate.client()) as client:
            body = os.urandom(1 << 20)
            assert client.post("/echo", content=body).content == body
            assert client.get("/loop").text.startswith(KIND)
    finally:
        running.stop()
