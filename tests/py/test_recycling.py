"""--max-worker-age and --max-worker-memory: workers that are replaced, one after the other, and lose nothing."""

from pathlib import Path

import pytest
from support.client import Client, request
from support.faults import wait_until, workers_of
from support.load import Load
from support.process import Process

GROWS = """
import os

kept = []

def app(environ, start_response):
    if environ["PATH_INFO"] == "/grow":
        kept.append(b"x" * (64 << 20))
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "grows.py").write_text(GROWS)
    return tmp_path


def test_workers_are_replaced_by_age_and_lose_nothing(folder: Path) -> None:
    options = ["--workers", "2", "--max-worker-age", "1", "--no-access-log"]
    with Process("grows:app", "--port", "0", *options, cwd=folder) as process:
        before = workers_of(process)
        with Load(process.address, fresh=1, kept=1, thinking=2, pause=0.01) as load:
            wait_until(lambda: not before & workers_of(process) and len(workers_of(process)) >= 2)
            load.wait_for(50)
        assert load.losses == []
        assert len(load.bodies) >= 3


def test_a_worker_that_has_grown_is_replaced(folder: Path) -> None:
    options = ["--workers", "2", "--max-worker-memory", "60m", "--no-access-log"]
    with Process("grows:app", "--port", "0", *options, cwd=folder) as process:
        before = workers_of(process)
        with Client(process.address) as client:
            grown = int(client.ask(request("GET", "/grow")).body)
        wait_until(lambda: grown not in workers_of(process) and len(workers_of(process)) == 2)
        assert before - {grown} <= workers_of(process)
        assert "MiB: it is replaced" in "".join(process.errors)
