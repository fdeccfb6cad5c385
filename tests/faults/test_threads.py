"""Threads that hang, clients that hold them up, and requests that fork."""

import resource
import select
from contextlib import ExitStack
from pathlib import Path

from support.client import Client, request
from support.faults import Start, Tell, descriptors, wait_until, workers_of
from support.load import Load
from support.process import Process

THREADS = ("--workers", "1", "--threads", "4")

# Requests to /block hang until there is a file named "open"; each says that it is there by a file of its own.
HANGS = """
import os, tempfile, time

def app(environ, start_response):
    if environ["PATH_INFO"] == "/block":
        tempfile.mkstemp(prefix="inside-", dir=".")
        while not os.path.exists("open"):
            time.sleep(0.01)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


def busy(process: Process) -> Load:
    return Load(process.address, fresh=2, kept=2, thinking=8, pause=0.001)


def block(process: Process, folder: Path, count: int, stack: ExitStack) -> list[Client]:
    """So many requests that hang in the application."""
    clients = [stack.enter_context(Client(process.address, timeout=60)) for _ in range(count)]
    for client in clients:
        client.send(request("GET", "/block"))
    wait_until(lambda: len(list(folder.glob("inside-*"))) == count)
    return clients


def test_one_thread_hangs(start: Start, full: bool, tell: Tell, tmp_path: Path) -> None:
    """The application hangs in one of four threads."""
    process = start(HANGS, *THREADS)
    with ExitStack() as stack:
        clients = block(process, tmp_path, 1, stack)
        with busy(process) as load:
            load.wait_for(2000 if full else 200)
        (tmp_path / "open").touch()
        assert [client.read().status for client in clients] == [200]
    tell(f"{load.figure} beside it")
    assert load.losses == []


def readable(clients: list[Client]) -> list[Client]:
    found, _, _ = select.select([client.sock for client in clients], [], [], 0)
    return [client for client in clients if client.sock in found]


def test_every_thread_hangs(start: Start, full: bool, tell: Tell, tmp_path: Path) -> None:
    """The application hangs in all of four threads (--limit-queue 8), and then does not any more."""
    process = start(HANGS, *THREADS, "--limit-queue", "8")
    count = 200 if full else 40
    with ExitStack() as stack:
        blocked = block(process, tmp_path, 4, stack)
        others = [stack.enter_context(Client(process.address, timeout=60)) for _ in range(count)]
        for client in others:
            client.send(request())
        wait_until(lambda: len(readable(others)) == count - 8)
        refused = readable(others)
        answers = [client.read() for client in refused]
        assert {(answer.status, answer.get("Retry-After")) for answer in answers} == {(503, "1")}
        (tmp_path / "open").touch()
        waiting = [client for client in others if client not in refused]
        assert [client.read().status for client in blocked + waiting] == [200] * 12
        assert [client.ask(request()).status for client in refused] == [200] * len(refused)
        # Never more at a time than may wait.
        with Load(process.address, fresh=2, kept=2, thinking=4, pause=0.001) as load:
            load.wait_for(2000 if full else 200)
    tell(
        f"of {4 + count} requests {len(refused)} refused by 503 with Retry-After, 12 answered late; then {load.figure}"
    )
    assert load.losses == []


# /done says how many streams are made, and closed.
STREAMS = """
import itertools

done = itertools.count()
made = 0

class Stream:
    def __iter__(self):
        return (b"s" * 100_000 for _ in range(60))

    def close(self):
        global made
        made = next(done) + 1

def app(environ, start_response):
    size = len(environ["wsgi.input"].read())
    if environ["PATH_INFO"] == "/stream":
        start_response("200 OK", [("Content-Length", "6000000")])
        return Stream()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(size or made).encode()]
"""

PATIENT = ("--timeout-body", "120", "--timeout-write", "120", "--min-body-rate", "0", "--min-write-rate", "0")


def begin_to_read(process: Process, count: int, stack: ExitStack) -> list[Client]:
    """Clients that have asked for more than a socket holds (3 MB for one that does not read), and do not read."""
    clients = [stack.enter_context(Client(process.address, timeout=60, receive_buffer=4096)) for _ in range(count)]
    for client in clients:
        client.send(request("GET", "/stream"))
    return clients


def begin_to_send(process: Process, count: int, stack: ExitStack) -> list[Client]:
    """Clients that have sent a thousand bytes of 200,000."""
    clients = [stack.enter_context(Client(process.address, timeout=60)) for _ in range(count)]
    for client in clients:
        client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n" + b"u" * 1000)
    return clients


def made(process: Process) -> int:
    with Client(process.address, timeout=60) as client:
        return int(client.ask(request()).body)


def test_slow_clients(start: Start, full: bool, tell: Tell) -> None:
    """30 stalled senders and 30 slow readers against four threads."""
    process = start(STREAMS, *THREADS, *PATIENT)
    (worker,) = workers_of(process)
    before = descriptors(worker)
    count = 30 if full else 8
    with ExitStack() as stack:
        senders, readers = begin_to_send(process, count, stack), begin_to_read(process, count, stack)
        with busy(process) as load:
            load.wait_for(2000 if full else 200)
            # One thread is enough for the others, so three responses may still wait for their readers.
            wait_until(lambda: made(process) >= count - 3)
        for client in senders:
            client.send(b"u" * 199_000)
        whole = sum(client.read().body == b"200000" for client in senders)
        whole += sum(client.read().body == b"s" * 6_000_000 for client in readers)
    tell(f"{load.figure} beside them, the slowest in {load.slowest:.2f} s; {whole} of the slow ones when they went on")
    assert load.losses == []
    assert whole == 2 * count
    assert workers_of(process) == {worker}
    wait_until(lambda: descriptors(worker) <= before)


def test_no_room_for_responses(start: Start, full: bool, tell: Tell) -> None:
    """Responses of 8 slow readers against four threads that find no room on the disk (--timeout-write 2)."""
    process = start(STREAMS, *THREADS, "--timeout-write", "2")
    (worker,) = workers_of(process)
    resource.prlimit(worker, resource.RLIMIT_FSIZE, (65536, 65536))
    before = descriptors(worker)
    with ExitStack() as stack:
        begin_to_read(process, 8, stack)
        with busy(process) as load:
            load.wait_for(2000 if full else 200)
            wait_until(lambda: made(process) == 8)
    tell(f"{load.figure} beside them, the slowest in {load.slowest:.1f} s")
    assert load.losses == []
    assert workers_of(process) == {worker}
    wait_until(lambda: descriptors(worker) <= before)


FORKS = """
import os, subprocess

def app(environ, start_response):
    child = os.fork()
    if child == 0:
        os._exit(3)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    subprocess.run(["true"], check=True)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(status).encode()]
"""


def test_requests_that_fork(start: Start, full: bool, tell: Tell) -> None:
    """Requests that fork and start programs, in four threads."""
    process = start(FORKS, *THREADS)
    (worker,) = workers_of(process)
    with Load(process.address, fresh=2, kept=4, pause=0.001) as load:
        load.wait_for(500 if full else 50)
    tell(load.figure)
    assert load.losses == []
    assert set(load.bodies) == {b"3"}
    assert workers_of(process) == {worker}
    assert [file.read_text() for file in Path(f"/proc/{worker}/task").glob("*/children") if file.read_text()] == []
