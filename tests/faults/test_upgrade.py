"""A new server takes over from the old one (SIGUSR2), and nobody who asks notices."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from support.client import Client, request
from support.faults import Start, Tell, is_alive, wait_until, workers_of
from support.load import Load
from support.process import Process

APP = """
import os

VERSION = {version}

def app(environ, start_response):
    body = f"{{VERSION}} {{os.getppid()}}".encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


ASGI = """
import os

VERSION = {version}

async def app(scope, receive, send):
    assert scope["type"] == "http"
    body = f"{{VERSION}} {{os.getppid()}}".encode()
    await send({{"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]}})
    await send({{"type": "http.response.body", "body": body}})
"""

NATIVE = """
import os
from velocem import App

app = App()

@app.get("/")
async def version() -> str:
    return f"{version} {{os.getppid()}}"
"""

KINDS = {
    "WSGI": (APP, ("--workers", "2")),
    "WSGI, one socket": (APP, ("--workers", "2", "--accept", "shared")),
    "ASGI": (ASGI, ("--workers", "2")),
    "native": (NATIVE, ("--workers", "2")),
}


class Successors:
    """The servers that come after a process of ours, which end with the test."""

    def __init__(self, process: Process, pid_file: Path) -> None:
        self.pid_file = pid_file
        self.current = process.popen.pid
        self.later: list[int] = []

    def upgrade(self) -> None:
        before = self.current
        os.kill(before, signal.SIGUSR2)
        wait_until(lambda: self.written() not in (0, before))
        self.current = self.written()
        self.later.append(self.current)

    def written(self) -> int:
        with suppress(FileNotFoundError, ValueError):
            return int(self.pid_file.read_text())
        return 0

    def end(self) -> None:
        if self.written() not in (0, self.current, *self.later):
            self.later.append(self.written())
        for pid in self.later:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not any(map(is_alive, self.later)))


@contextmanager
def succession(process: Process, folder: Path) -> Iterator[Successors]:
    successors = Successors(process, folder / "pid")
    try:
        yield successors
    except BaseException:
        print("".join(process.errors))
        raise
    finally:
        successors.end()


@pytest.mark.parametrize("kind", KINDS)
def test_upgrades_under_load(start: Start, full: bool, tell: Tell, tmp_path: Path, kind: str) -> None:
    """Five upgrades to a new server (SIGUSR2) under load of fresh and kept connections."""
    source, options = KINDS[kind]
    admin_at = f"unix:{tmp_path}/admin"
    process = start(source.format(version=0), *options, "--pid", f"{tmp_path}/pid", "--admin", admin_at)
    count = 5 if full else 2
    with succession(process, tmp_path) as successors:
        with Load(process.address, fresh=2, kept=2, thinking=8, pause=0.001) as load:
            for version in range(1, count + 1):
                load.wait_for(200 if full else 50)
                (tmp_path / "faulty.py").write_text(source.format(version=version))
                successors.upgrade()
            load.wait_for(50)
        with closing(Client(process.address)) as client:
            assert client.ask(request()).body == f"{count} {successors.current}".encode()
        with Client(admin_at) as admin:
            assert admin.ask(request("GET", "/readyz")).status == 200
        assert {body.split()[0] for body in load.bodies} == {str(version).encode() for version in range(count + 1)}
        assert process.popen.wait(30) == 0
    tell(f"{kind}, {' '.join(options)}: {load.figure}")
    assert load.losses == []
    assert not (tmp_path / "admin").exists()


def test_an_upgrade_that_fails(start: Start, tell: Tell, tmp_path: Path) -> None:
    """An upgrade to a server that cannot start, under load: the old one goes on."""
    process = start(APP.format(version=0), "--workers", "1", "--pid", f"{tmp_path}/pid")
    with succession(process, tmp_path) as successors:
        with Load(process.address, fresh=2, pause=0.001) as load:
            load.wait_for(50)
            (tmp_path / "faulty.py").write_text("nonsense nonsense\n")
            process.send(signal.SIGUSR2)
            wait_until(lambda: "which was to take over, has failed" in "".join(process.errors))
            load.wait_for(50)
        assert successors.written() == process.popen.pid
        (tmp_path / "faulty.py").write_text(APP.format(version=1))
        successors.upgrade()
        assert process.popen.wait(30) == 0
    tell(load.figure)
    assert load.losses == []


def add_worker(process: Process) -> None:
    count = len(workers_of(process)) + 1
    process.send(signal.SIGTTIN)
    wait_until(lambda: len(workers_of(process)) == count)


def test_another_number_of_workers(start: Start, full: bool, tell: Tell, tmp_path: Path) -> None:
    """Upgrades that find three workers where one is wanted (SIGTTIN before), and a Unix socket, under load."""
    place = ["--bind", "127.0.0.1:0", "--bind", f"unix:{tmp_path}/app"]
    (tmp_path / "faulty.py").write_text(APP.format(version=0))
    options = ("faulty:app", *place, "--workers", "1", "--pid", f"{tmp_path}/pid", "--no-access-log")
    with Process(*options, cwd=tmp_path) as process, succession(process, tmp_path) as successors:
        add_worker(process)
        add_worker(process)
        with Load(process.address, fresh=2, thinking=4, pause=0.001) as load:
            load.wait_for(100)
            successors.upgrade()
            load.wait_for(500 if full else 100)
        with Client(f"unix:{tmp_path}/app") as client:
            assert client.ask(request()).status == 200
    tell(load.figure)
    assert load.losses == []
    assert not (tmp_path / "app").exists()


def test_a_stop_in_the_middle_of_an_upgrade_stops_both(start: Start, tmp_path: Path) -> None:
    process = start(APP.format(version=0), "--workers", "1", "--pid", f"{tmp_path}/pid")
    (tmp_path / "faulty.py").write_text("open('begun', 'w').write(str(__import__('os').getppid()))\nwhile True: pass\n")
    process.send(signal.SIGUSR2)
    wait_until(lambda: (tmp_path / "begun").exists() and (tmp_path / "begun").read_text())
    successor = int((tmp_path / "begun").read_text())
    process.send(signal.SIGTERM)
    assert process.popen.wait(30) == 0
    wait_until(lambda: not is_alive(successor))
