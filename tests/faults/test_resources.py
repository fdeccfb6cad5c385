"""A machine that has no more of something: descriptors, room on the disk."""

import os
import resource
import time
from pathlib import Path

import pytest
from support.client import Client, request
from support.faults import Start, Tell, descriptors, wait_until, workers_of
from support.load import Load

HELLO = """
def app(environ, start_response):
    size = len(environ["wsgi.input"].read())
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(size).encode()]
"""


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("threads", [0, 4])
def test_no_descriptors(start: Start, full: bool, tell: Tell, threads: int) -> None:
    """A worker without a free descriptor (RLIMIT_NOFILE 64, 100 clients that stall) for a while."""
    process = start(HELLO, "--workers", "1", "--threads", str(threads))
    (worker,) = workers_of(process)
    before = descriptors(worker)
    resource.prlimit(worker, resource.RLIMIT_NOFILE, (64, 64))
    stalled = [Client(process.address) for _ in range(100)]
    for client in stalled:
        client.send(b"GET / HTTP/1.1\r\nHost: h\r\nX: ")
    wait_until(lambda: descriptors(worker) == 64)
    seconds = 3.0 if full else 1.0
    spent = cpu_seconds(worker)
    with Load(process.address, fresh=2, kept=2, pause=0.01) as load:
        time.sleep(seconds)
        spent = cpu_seconds(worker) - spent
        for client in stalled:
            client.close()
        load.wait_for(100)
    tell(f"--threads {threads}: {load.figure}; {spent / seconds * 100:.0f} % of a processor while there were none")
    assert load.losses == []
    assert spent < seconds / 2
    wait_until(lambda: descriptors(worker) <= before)
    assert workers_of(process) == {worker}


@pytest.mark.parametrize("threads", [0, 4])
def test_no_room_for_bodies(start: Start, full: bool, tell: Tell, threads: int) -> None:
    """Uploads that do not fit on the disk (RLIMIT_FSIZE 64 KiB) among some that do."""
    process = start(HELLO, "--workers", "1", "--threads", str(threads), "--body-memory", "1k")
    (worker,) = workers_of(process)
    resource.prlimit(worker, resource.RLIMIT_FSIZE, (65536, 65536))
    before = descriptors(worker)
    statuses = []
    with Load(process.address, fresh=1, kept=1, pause=0.002) as load:
        for turn in range(200 if full else 20):
            size = 1_000_000 if turn % 2 else 50_000
            with Client(process.address) as client:
                client.send(f"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {size}\r\n\r\n".encode())
                client.send(b"b" * size)
                statuses.append(client.read().status)
    small, large = set(statuses[::2]), set(statuses[1::2])
    tell(f"--threads {threads}: {load.figure} beside them; uploads that fit: {show(small)}, others: {show(large)}")
    assert (small, large) == ({200}, {507})
    assert load.losses == []
    assert workers_of(process) == {worker}
    wait_until(lambda: descriptors(worker) <= before)
    with Client(process.address) as client:
        assert client.ask(request()).status == 200


def show(statuses: set[int]) -> str:
    return " and ".join(map(str, sorted(statuses)))
