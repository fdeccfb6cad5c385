"""Workers that are replaced or killed while clients ask."""

import os
import signal

from support.faults import Start, Tell, wait_until, workers_of
from support.load import Load
from support.process import Process

PID = """
import os

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"""


def wait_until_gone(process: Process, before: set[int]) -> None:
    """And others are in their places."""
    wait_until(lambda: not before & workers_of(process) and len(workers_of(process)) == 2)


def test_reloads_under_load(start: Start, full: bool, tell: Tell) -> None:
    """Ten reloads (SIGHUP) under load of fresh and kept connections."""
    process = start(PID, "--workers", "2")
    with Load(process.address, fresh=2, kept=2, thinking=8, pause=0.001) as load:
        for _ in range(10 if full else 3):
            load.wait_for(500 if full else 50)
            before = workers_of(process)
            process.send(signal.SIGHUP)
            wait_until_gone(process, before)
    tell(load.figure)
    assert load.losses == []
    assert load.figure.answered == load.figure.sent


def test_killed_workers(start: Start, full: bool, tell: Tell) -> None:
    """A worker killed (SIGKILL) under load, ten times: lost is at most what it held."""
    process = start(PID, "--workers", "2")
    clients = 4
    kills = 10 if full else 2
    with Load(process.address, fresh=clients, pause=0.001) as load:
        for _ in range(kills):
            load.wait_for(200 if full else 50)
            victim = min(workers_of(process))
            os.kill(victim, signal.SIGKILL)
            wait_until_gone(process, {victim})
    tell(load.figure)
    assert load.figure.lost <= kills * clients
    assert load.figure.answered + load.figure.lost == load.figure.sent
