"""Hours with clients that vanish at random: what the workers hold stays what it was."""

import os
import random
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
from support.client import Client, request
from support.faults import Start, Tell, descriptors, wait_until, workers_of
from support.load import Load
from support.process import Process

# Minutes of the full form; the short one is some seconds.
MINUTES = float(os.environ.get("FAULTS_MINUTES", "0"))

# More than a socket takes for one that does not read: a stream that waits.
APP = """
def app(environ, start_response):
    path = environ["PATH_INFO"]
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    if path == "/stream":
        return (b"s" * 50_000 for _ in range(100))
    if path == "/large":
        return [b"l" * 1_000_000]
    return [str(len(body)).encode()]
"""

UPLOAD = b"POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" + b"u" * 100_000
CHUNKED = b"POST /up HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
PIECES = [request(), request("GET", "/stream"), request("GET", "/large"), UPLOAD, CHUNKED, b"BAD\r\n\r\n"]

# Of memory, in the second half of the time and on top of what a worker of a few MiB uses.
GROWTH_KIB = 1024

LOOKS = 20
REST_SECONDS = 5.0  # before a look of the full form: longer than the server waits for anybody


def vanish(process: Process, seed: int, goes: threading.Event, over: threading.Event) -> None:
    """Sends requests whole or in part, reads or does not, and goes in one way or another."""
    choose = random.Random(seed)
    while not over.is_set():
        goes.wait()
        with suppress(OSError), Client(process.address, receive_buffer=choose.choice([0, 4096])) as client:
            for _ in range(choose.randrange(1, 4)):
                data = choose.choice(PIECES)
                client.sock.setblocking(False)
                client.sock.send(data[: choose.randrange(len(data) + 1)] if choose.random() < 0.5 else data)
                client.sock.settimeout(0.02)
                with suppress(TimeoutError):
                    client.sock.recv(choose.choice([1, 100, 1 << 20]))
            if choose.random() < 0.5:
                client.reset()
        over.wait(choose.uniform(0, 0.05))


def resident_kib(pid: int) -> int:
    """Without what is shared with the supervisor's pages or files."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0])


class Soak:
    """A server of two workers, clients that vanish, and some that are served well meanwhile."""

    def __init__(self, process: Process) -> None:
        time.sleep(0.5)  # what a start opens is closed again
        self.process = process
        self.workers = workers_of(process)
        self.own = {pid: descriptors(pid) for pid in self.workers}
        self.over, self.goes = threading.Event(), threading.Event()
        self.goes.set()
        self.load = Load(process.address, fresh=1, thinking=3, pause=0.01)
        self.vanishing = [
            threading.Thread(target=vanish, args=(process, seed, self.goes, self.over)) for seed in range(6)
        ]
        self.samples: list[dict[int, int]] = []

    def __enter__(self) -> Self:
        self.load.__enter__()
        for thread in self.vanishing:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.over.set()
        self.goes.set()
        for thread in self.vanishing:
            thread.join()
        self.load.stop()

    def look(self) -> None:
        self.samples.append({pid: resident_kib(pid) for pid in self.workers})
        print(f"{self.load.figure}; KiB: {', '.join(map(str, self.samples[-1].values()))}", flush=True)

    def has_its_own(self) -> bool:
        """Whether no descriptor is left of all that was opened."""
        return all(descriptors(pid) == self.own[pid] for pid in self.workers)

    @property
    def growth(self) -> int:
        """By the least of five looks, while nobody vanishes: the allocator returns pages when it likes."""
        half = {pid: min(sample[pid] for sample in self.samples[8:13]) for pid in self.workers}
        end = {pid: min(sample[pid] for sample in self.samples[-5:]) for pid in self.workers}
        return max(end[pid] - half[pid] for pid in self.workers)

    def __str__(self) -> str:
        return f"{self.load.figure}, in the second half {self.growth:+} KiB"


@pytest.mark.timeout(MINUTES * 120 + 600)
def test_soak(start: Start, full: bool, tell: Tell) -> None:
    """A soak in which clients vanish at random."""
    seconds = max(MINUTES * 60, 60) if full else 4
    options = ("--workers", "2", "--body-memory", "1k", "--timeout-keep-alive", "2", "--timeout-header", "2",
               "--timeout-body", "2", "--timeout-write", "2")  # fmt: skip
    with ExitStack() as stack:
        soaks = [stack.enter_context(Soak(start(APP, *options, "--threads", threads))) for threads in ("0", "4")]
        for _ in range(LOOKS):
            rest = REST_SECONDS if full else 0
            time.sleep(seconds / LOOKS - rest)
            for soak in soaks:
                soak.goes.clear()
            time.sleep(rest)
            for soak in soaks:
                soak.look()
                soak.goes.set()
    for soak in soaks:
        assert workers_of(soak.process) == soak.workers
        wait_until(soak.has_its_own)
    inline, threads = soaks
    tell(f"{seconds / 60:.3g} minutes; inline: {inline}; --threads 4: {threads}; descriptors as before")
    for soak in soaks:
        assert soak.load.losses == []
        if full and "asan" not in os.environ.get("LD_PRELOAD", ""):
            assert soak.growth < GROWTH_KIB
