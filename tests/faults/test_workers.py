"""Workers that are replaced, killed, added and taken away while clients ask."""

import itertools
import os
import random
import signal
import socket
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from support.client import Client, request
from support.faults import Start, Tell, is_alive, wait_until, workers_of
from support.load import Load
from support.process import Process, command

PID = """
import itertools
import os

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"""


def wait_for_others(process: Process, before: set[int], count: int = 2) -> None:
    """Until nobody of before is left, and so many others are in their places."""
    wait_until(lambda: not before & workers_of(process) and len(workers_of(process)) == count)


def busy(process: Process) -> Load:
    return Load(process.address, fresh=2, kept=2, thinking=8, pause=0.001)


def reload(process: Process, load: Load, times: int, full: bool) -> None:
    for _ in range(times):
        load.wait_for(500 if full else 50)
        before = workers_of(process)
        process.send(signal.SIGHUP)
        wait_for_others(process, before)


def test_reloads_under_load(start: Start, full: bool, tell: Tell) -> None:
    """Ten reloads (SIGHUP) under load of fresh and kept connections."""
    process = start(PID, "--workers", "2")
    with busy(process) as load:
        reload(process, load, 10 if full else 3, full)
    tell(load.figure)
    assert load.losses == []
    assert load.figure.answered == load.figure.sent


def test_reloads_with_one_socket_for_all(start: Start, full: bool, tell: Tell) -> None:
    """The same with one socket for all workers (--accept shared)."""
    process = start(PID, "--workers", "2", "--accept", "shared")
    with busy(process) as load:
        reload(process, load, 10 if full else 2, full)
    tell(load.figure)
    assert load.losses == []


def test_reloads_with_threads(start: Start, full: bool, tell: Tell) -> None:
    """The same with threads (--threads 4)."""
    process = start(PID, "--workers", "2", "--threads", "4")
    with busy(process) as load:
        reload(process, load, 10 if full else 2, full)
    tell(load.figure)
    assert load.losses == []


ASGI = """
import os

async def app(scope, receive, send):
    assert scope["type"] == "http"
    body = str(os.getpid()).encode()
    fields = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": body})
"""


NATIVE = """
import os
from velocem import App

app = App()

@app.get("/")
def pid() -> str:
    return str(os.getpid())
"""

INTERFACES = {"WSGI": PID, "ASGI": ASGI, "native": NATIVE}


@pytest.mark.parametrize("interface", ["ASGI", "native"])
def test_reloads_on_an_event_loop(start: Start, full: bool, tell: Tell, interface: str) -> None:
    """The same with an application on an event loop."""
    process = start(INTERFACES[interface], "--workers", "2")
    with busy(process) as load:
        reload(process, load, 10 if full else 2, full)
    tell(f"{interface}: {load.figure}")
    assert load.losses == []


@pytest.mark.parametrize("interface", INTERFACES)
def test_workers_that_wear_out(start: Start, full: bool, tell: Tell, interface: str) -> None:
    """Workers replaced after 200 requests each (--max-requests) under load."""
    process = start(INTERFACES[interface], "--workers", "2", "--max-requests", "200", "--max-requests-jitter", "100")
    with busy(process) as load:
        load.wait_for(10_000 if full else 1_000)
        wait_until(lambda: len(load.bodies) > 2)  # an old one goes on until the new one is there
    tell(f"{interface}: {load.figure}; {len(load.bodies)} workers in turn")
    assert load.losses == []


def test_scaling_under_load(start: Start, full: bool, tell: Tell) -> None:
    """A worker more (SIGTTIN) and one less (SIGTTOU), five times, under load."""
    process = start(PID, "--workers", "1")
    with busy(process) as load:
        for _ in range(5 if full else 1):
            process.send(signal.SIGTTIN)
            wait_until(lambda: len(workers_of(process)) == 2)
            load.wait_for(500 if full else 50)
            process.send(signal.SIGTTOU)
            wait_until(lambda: len(workers_of(process)) == 1)
            load.wait_for(500 if full else 50)
    tell(load.figure)
    assert load.losses == []


def test_random_signals(start: Start, full: bool, tell: Tell) -> None:
    """SIGHUP, SIGTTIN, SIGTTOU to the supervisor and SIGTERM to workers, at random under load."""
    process = start(PID, "--workers", "2")
    choose, told = random.Random(1), set[int]()
    count = 100 if full else 10
    with busy(process) as load:
        for _ in range(count):
            time.sleep(choose.choice([0, 0.01, 0.1, 0.5]))
            what = choose.choice([signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGTERM])
            # A second SIGTERM would not let it finish.
            victims = list(workers_of(process) - told)
            if what != signal.SIGTERM:
                process.send(what)
            elif victims:
                told.add(victim := choose.choice(victims))
                with suppress(ProcessLookupError):
                    os.kill(victim, what)
        load.wait_for(100)
    tell(f"{load.figure}; {count} signals, {len(load.bodies)} workers")
    assert load.losses == []
    process.send(signal.SIGTERM)
    assert process.wait() == 0


def test_killed_workers(start: Start, full: bool, tell: Tell) -> None:
    """A worker killed (SIGKILL) under load, ten times: lost at most what it held."""
    process = start(PID, "--workers", "2")
    fresh = 4
    kills = 10 if full else 2
    with Load(process.address, fresh=fresh, kept=2, thinking=4, pause=0.001) as load:
        for _ in range(kills):
            load.wait_for(200 if full else 50)
            victim = min(workers_of(process))
            os.kill(victim, signal.SIGKILL)
            wait_for_others(process, {victim})
    tell(load.figure)
    assert load.figure.lost <= kills * fresh
    assert load.figure.answered + load.figure.lost == load.figure.sent


def test_an_import_that_dies(start: Start, tell: Tell, tmp_path: Path) -> None:
    """An application that ends its process while it is imported, at the first start."""
    (tmp_path / "deadly.py").write_text("import os, time\nprint(time.monotonic(), flush=True)\nos._exit(1)\n")
    result = command("deadly:app", "--port", "0", "--workers", "1", cwd=tmp_path)
    times = [float(line) for line in result.stdout.split()]
    waits = [after - before for before, after in itertools.pairwise(times)]
    tell(f"{len(times)} tries, {', '.join(f'{wait:.1f}' for wait in waits)} s apart, exit status {result.returncode}")
    assert result.returncode == 3
    assert len(times) == 4
    assert waits[0] < waits[1] < waits[2]


def wait_for_the_end(workers: set[int]) -> None:
    wait_until(lambda: not any(map(is_alive, workers)))


def test_a_killed_supervisor(start: Start, full: bool, tell: Tell) -> None:
    """The supervisor killed (SIGKILL) under load: what runs is finished, nothing is left behind."""
    survivors = lost = sent = answered = 0
    for _ in range(5 if full else 1):
        process = start(PID.replace("start_response(", "__import__('time').sleep(0.02); start_response(", 1), "-w", "2")
        workers = workers_of(process)
        with Load(process.address, kept=4) as load:
            load.wait_for(50)
            os.kill(process.popen.pid, signal.SIGKILL)
            load.over.set()
        wait_for_the_end(workers)
        survivors += sum(map(is_alive, workers))
        sent, answered, lost = sent + load.sent, answered + load.answered, lost + len(load.losses)
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(process.address)
    tell(f"sent {sent}, answered {answered}, lost {lost}; {survivors} workers left, address free")
    assert lost == survivors == 0


# Requests that run when the server is told to end.

SLOW = """
import time

def app(environ, start_response):
    if environ["REQUEST_METHOD"] == "POST":
        body = environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]
    start_response("200 OK", [("Content-Length", "2000")])
    return stream()

def stream():
    for _ in range(20):
        yield b"x" * 100
        time.sleep(0.02)
"""


def upload(client: Client, size: int) -> None:
    client.send(f"POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: {size}\r\n\r\n".encode())
    for _ in range(20):
        client.send(b"u" * (size // 20))
        time.sleep(0.05)


def test_terminated_in_the_middle(start: Start, full: bool, tell: Tell) -> None:
    """SIGTERM while responses stream and uploads arrive."""
    count = 10 if full else 3
    process = start(SLOW, "--workers", "2")
    with ExitStack() as stack:
        uploads = [stack.enter_context(Client(process.address)) for _ in range(count)]
        streams = [stack.enter_context(Client(process.address)) for _ in range(count)]
        whole = terminate_in_the_middle(process, uploads, streams)
    status = process.wait()
    tell(f"sent {2 * count}, answered {whole}, lost {2 * count - whole}; exit status {status}")
    assert whole == 2 * count
    assert status == 0


def terminate_in_the_middle(process: Process, uploads: list[Client], streams: list[Client]) -> int:
    """How many are answered whole."""
    threads = [threading.Thread(target=upload, args=(client, 200_000)) for client in uploads]
    for thread in threads:
        thread.start()
    for client in streams:
        client.send(request())
    assert all(client.read_status()[0] == 200 for client in streams)
    process.send(signal.SIGTERM)
    whole = sum(read_rest(client, 2000) for client in streams)
    whole += sum(client.read().body == b"u" * 200_000 for client in uploads)
    for thread in threads:
        thread.join()
    return whole


def read_rest(client: Client, size: int) -> bool:
    client.read_fields()
    return client.take(size) == b"x" * size


# Threads and forks.

THREADS = """
import itertools, logging, os, threading, time

count = itertools.count()
log = logging.getLogger("busy")

def work():
    while True:
        log.error("busy")
        time.sleep(0.001)
        next(count)

log.addHandler(logging.NullHandler())
log.propagate = False
threads = [threading.Thread(target=work, daemon=True) for _ in range(8)]
for thread in threads:
    thread.start()

def app(environ, start_response):
    log.error("in a request")
    helper = threading.Thread(target=time.sleep, args=(0.01,))
    helper.start()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"""


def reload_and_kill(process: Process, load: Load, rounds: int) -> None:
    for turn in range(rounds):
        load.wait_for(50)
        before = workers_of(process)
        if turn % 2:
            process.send(signal.SIGHUP)
        else:
            before = {min(before)}
            with suppress(ProcessLookupError):
                os.kill(min(before), signal.SIGKILL)
        wait_for_others(process, before)


def test_an_application_with_threads(start: Start, full: bool, tell: Tell) -> None:
    """An application that starts threads: workers replaced and killed in turn, ten times."""
    process = start(THREADS, "--workers", "2")
    rounds, clients = (10 if full else 2), 4
    with Load(process.address, fresh=clients, pause=0.002) as load:
        reload_and_kill(process, load, rounds)
    tell(load.figure)
    assert load.figure.lost <= clients * rounds / 2
    process.send(signal.SIGTERM)
    assert process.wait() == 0


def test_preload_with_threads(start: Start, full: bool, tell: Tell) -> None:
    """Forks of a supervisor with eight busy threads (--preload): the same."""
    process = start(THREADS, "--workers", "2", "--preload")
    rounds, clients = (10 if full else 2), 4
    with Load(process.address, fresh=clients, pause=0.002) as load:
        reload_and_kill(process, load, rounds)
    tell(load.figure)
    assert load.figure.lost <= clients * rounds / 2
    assert "threads do not live on in workers" in "".join(process.errors)
    process.send(signal.SIGTERM)
    assert process.wait() == 0
