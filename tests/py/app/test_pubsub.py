"""Topics across workers, through a real Redis that goes and comes back."""

import asyncio
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.databases import environment, free_port, program
from support.process import Process
from websockets.sync.client import ClientConnection, connect

from velocem.pubsub import Bus, Push, RedisError, command, read_reply

APP = """
import os
from velocem import App, WebSocket

app = App(pubsub={url!r})

@app.ws("/room/{{name}}")
async def room(ws: WebSocket[str, str], name: str):
    ws.subscribe(name)
    await ws.send(str(os.getpid()))
    async for msg in ws:
        app.publish(name, str(app.lost) if msg == "lost" else msg)

@app.ws("/bytes")
async def binary(ws: WebSocket[bytes, bytes]):
    ws.subscribe("bytes")
    await ws.send(str(os.getpid()).encode())
    async for msg in ws:
        app.publish("bytes", msg)
"""


class Redis:
    """A server that can be killed, and started again where it was."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        line = [program("redis-server"), "--port", str(self.port), "--save", "", "--dir", str(self.folder)]
        self.process = subprocess.Popen(line, stdout=subprocess.DEVNULL, env=environment())
        wait_for(self.answers)

    def answers(self) -> bool:
        line = ["redis-cli", "-p", str(self.port), "ping"]
        return b"PONG" in subprocess.run(line, capture_output=True, env=environment(), check=False).stdout

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture(name="redis")
def make_redis(tmp_path: Path) -> Iterator[Redis]:
    redis = Redis(tmp_path)
    redis.start()
    yield redis
    redis.kill()


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def of_two_workers(stack: ExitStack, url: str) -> tuple[ClientConnection, ClientConnection]:
    """Connections until two workers have one."""
    found: dict[str | bytes, ClientConnection] = {}
    for _ in range(100):
        ws = stack.enter_context(connect(url))
        found[ws.recv(timeout=10)] = ws
        if len(found) == 2:
            one, two = found.values()
            return one, two
    raise AssertionError("there is one worker")


def drain(ws: ClientConnection) -> list[str | bytes]:
    """What is here already."""
    found: list[str | bytes] = []
    while True:
        try:
            found.append(ws.recv(timeout=0.05))
        except TimeoutError:
            return found


def reaches(one: ClientConnection, two: ClientConnection, text: str) -> bool:
    """Whether a message gets from one worker to the other, now."""
    one.send(text)
    try:
        while two.recv(timeout=0.3) != text:
            pass
    except TimeoutError:
        return False
    return True


def test_topics_of_two_workers_with_a_redis_that_is_killed_in_between(redis: Redis, tmp_path: Path) -> None:
    (tmp_path / "talk.py").write_text(APP.format(url=f"redis://127.0.0.1:{redis.port}"))
    with Process("talk:app", "--workers", "2", "--bind", "127.0.0.1:0", cwd=tmp_path) as server, ExitStack() as stack:
        url = f"ws://127.0.0.1:{server.address[1]}"
        one, two = of_two_workers(stack, url + "/room/a")
        wait_for(lambda: reaches(one, two, "hello"))
        drain(one), drain(two)
        one.send("ä" * 1000)
        assert one.recv(timeout=10) == two.recv(timeout=10) == "ä" * 1000
        three, four = of_two_workers(stack, url + "/bytes")
        wait_for(lambda: reaches_bytes(three, four))

        redis.kill()
        wait_for(lambda: "the connection to Redis is lost" in "".join(server.errors))
        for number in range(10):
            one.send(f"lost {number}")
            assert one.recv(timeout=10) == f"lost {number}"  # those of the same worker hear it
        assert drain(two) == []
        one.send("lost")
        lost = int(one.recv(timeout=10))
        assert lost >= 10

        redis.start()
        wait_for(lambda: reaches(one, two, "back"))
        text = "".join(server.errors)
        assert "Redis is back after" in text
        told = [int(number) for number in re.findall(r"(\d+) messages may not have reached other workers", text)]
        assert max(told) > lost  # with that of the question itself, and those of reaches()


def reaches_bytes(one: ClientConnection, two: ClientConnection) -> bool:
    one.send(b"\x00\xff")
    try:
        return two.recv(timeout=0.3) == b"\x00\xff"
    except TimeoutError:
        return False


def test_an_application_starts_without_its_redis(tmp_path: Path) -> None:
    (tmp_path / "talk.py").write_text(APP.format(url=f"redis://127.0.0.1:{free_port()}"))
    with Process("talk:app", "--bind", "127.0.0.1:0", cwd=tmp_path) as server:
        with connect(f"ws://127.0.0.1:{server.address[1]}/room/a") as ws:
            assert ws.recv(timeout=10)
            ws.send("x")
            assert ws.recv(timeout=10) == "x"
        assert "Redis cannot be reached" in "".join(server.errors)


def test_a_password_and_a_unix_socket(tmp_path: Path) -> None:
    path = f"/tmp/velocem.{os.getpid()}.redis"
    line = [program("redis-server"), "--port", "0", "--unixsocket", path, "--requirepass", "secret", "--save", ""]
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, cwd=tmp_path, env=environment())
    try:
        wait_for(lambda: os.path.exists(path))
        assert asyncio.run(between_two(f"unix://:secret@{path}")) == [("a", b"hello", True)]
        with pytest.raises(AssertionError):
            asyncio.run(between_two(f"unix://:wrong@{path}"))
    finally:
        process.kill()
        process.wait()
        Path(path).unlink(missing_ok=True)


async def between_two(url: str) -> list[tuple[str, bytes, bool]]:
    got: list[tuple[str, bytes, bool]] = []
    one, two = Bus(url, lambda *message: None), Bus(url, lambda *message: got.append(message))
    await two.start(lambda: ["a"])
    await one.start(tuple)
    try:
        assert one.writer is not None
        deadline = time.monotonic() + 10
        while not got and time.monotonic() < deadline:
            one.publish("a", b"hello", text=True)
            await asyncio.sleep(0.05)
        return got[:1]
    finally:
        await one.stop()
        await two.stop()


@pytest.mark.parametrize(
    ("wire", "value"),
    [
        (b"+OK\r\n", b"OK"),
        (b":12\r\n", 12),
        (b"$3\r\na\r\n\r\n", b"a\r\n"),
        (b"$-1\r\n", b"-1"),
        (b"*2\r\n:1\r\n$0\r\n\r\n", [1, b""]),
        (b"%1\r\n+a\r\n:1\r\n", [b"a", 1]),
        (b">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n", Push([b"message", b"a", b"b"])),
        (b"_\r\n", b""),
    ],
)
def test_replies(wire: bytes, value: object) -> None:
    async def read() -> object:
        reader = asyncio.StreamReader()
        reader.feed_data(wire)
        return await read_reply(reader)

    assert asyncio.run(read()) == value


def test_what_is_no_reply() -> None:
    async def read(wire: bytes) -> object:
        reader = asyncio.StreamReader()
        reader.feed_data(wire)
        return await read_reply(reader)

    assert isinstance(asyncio.run(read(b"-ERR no\r\n")), RedisError)
    with pytest.raises(RedisError):
        asyncio.run(read(b"HTTP/1.1 400\r\n"))
    assert command(b"GET", b"\r\n") == b"*2\r\n$3\r\nGET\r\n$2\r\n\r\n\r\n"
    with pytest.raises(ValueError, match="pubsub is redis"):
        Bus("http://a", lambda *message: None)
