"""Hours with clients that vanish at random: what the workers hold stays what it was."""

import os
import random
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from support.client import Client, request
from support.faults import Start, Tell, wait_until, workers_of
from support.load import Load
from support.process import Process

# Minutes of the full form; the short one is some seconds.
MINUTES = float(os.environ.get("FAULTS_MINUTES", "0"))

APP = """
def app(environ, start_response):
    path = environ["PATH_INFO"]
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    if path == "/stream":
        return (b"s" * 10_000 for _ in range(200))
    if path == "/large":
        return [b"l" * 1_000_000]
    return [str(len(body)).encode()]
"""

UPLOAD = b"POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" + b"u" * 100_000
CHUNKED = b"POST /up HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
PIECES = [request(), request("GET", "/stream"), request("GET", "/large"), UPLOAD, CHUNKED, b"BAD\r\n\r\n"]

# Of memory, in the second half of the time and on top of what a worker of a few MiB uses.
GROWTH_KIB = 1024


def vanish(process: Process, seed: int, over: threading.Event) -> None:
    """Sends requests whole or in part, reads or does not, and goes in one way or another."""
    choose = random.Random(seed)
    while not over.is_set():
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


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


@pytest.mark.timeout(MINUTES * 120 + 600)
def test_soak(start: Start, full: bool, tell: Tell) -> None:
    """A soak in which clients vanish at random."""
    seconds = max(MINUTES * 60, 60) if full else 4
    process = start(APP, "--workers", "2", "--body-memory", "1k", "--timeout-keep-alive", "2", "--timeout-header", "2",
                    "--timeout-body", "2", "--timeout-write", "2")  # fmt: skip
    workers = workers_of(process)
    time.sleep(0.5)
    own = {pid: descriptors(pid) for pid in workers}
    over = threading.Event()
    vanishing = [threading.Thread(target=vanish, args=(process, seed, over)) for seed in range(6)]
    samples: list[dict[int, int]] = []
    with Load(process.address, fresh=1, thinking=3, pause=0.01) as load:
        for thread in vanishing:
            thread.start()
        for _ in range(20):
            time.sleep(seconds / 20)
            samples.append({pid: resident_kib(pid) for pid in workers})
            print(f"{load.figure}; KiB: {', '.join(map(str, samples[-1].values()))}", flush=True)
        over.set()
        for thread in vanishing:
            thread.join()
    assert workers_of(process) == workers
    wait_until(lambda: all(descriptors(pid) == own[pid] for pid in workers))
    # The least of five looks: the allocator returns pages when it likes.
    half = {pid: min(sample[pid] for sample in samples[8:13]) for pid in workers}
    end = {pid: min(sample[pid] for sample in samples[-5:]) for pid in workers}
    growth = max(end[pid] - half[pid] for pid in workers)
    tell(f"{load.figure}; {seconds / 60:.3g} minutes; in the second half {growth:+} KiB; descriptors as before")
    assert load.losses == []
    if full and "asan" not in os.environ.get("LD_PRELOAD", ""):
        assert growth < GROWTH_KIB
