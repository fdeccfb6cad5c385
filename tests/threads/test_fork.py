"""Applications that fork while threads run: neither the child nor what it holds disturbs anybody."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.client import Client, request
from support.process import Process

SOURCE = '''
import multiprocessing, os, subprocess, sys, time, warnings

warnings.simplefilter("ignore", DeprecationWarning)
children = []


def run(environ):
    return subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, check=True).stdout.strip()


def double(number, queue):
    queue.put(2 * number)


def process(environ):
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=double, args=(21, queue))
    child.start()
    child.join()
    return b"%d" % queue.get()


def comes_back(environ):
    children.append(os.fork())
    return b"from %d" % os.getpid()


def exits(environ):
    child = os.fork()
    if child == 0:
        sys.exit(3)
    return b"%d" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def raises(environ):
    child = os.fork()
    if child == 0:
        raise ValueError("in the child")
    return b"%d" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def stays(environ):
    """A child that lives on, with a copy of every connection."""
    child = os.fork()
    if child == 0:
        time.sleep(20)
        os._exit(0)
    children.append(child)
    return b"stays"


def reap(environ):
    ended = []
    while children:
        child = children.pop()
        if environ["QUERY_STRING"] == "kill":
            os.kill(child, 9)
        ended.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    return repr(ended).encode()


def yields(environ):
    child = os.fork()
    yield b"from %d " % os.getpid()
    yield b"%d" % os.waitpid(child, 0)[1]


def app(environ, start_response):
    body = globals()[environ["PATH_INFO"][1:]](environ)
    start_response("200 OK", [])
    return [body] if isinstance(body, bytes) else body
'''


@pytest.fixture(params=[0, 4], ids=["loop", "threads"])
def process(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Process]:
    (tmp_path / "forking.py").write_text(SOURCE)
    with Process("forking:app", "--port", "0", "--threads", str(request.param), cwd=tmp_path) as running:
        yield running


@pytest.mark.parametrize("path", ["/run", "/process"])
def test_what_people_do(process: Process, path: str) -> None:
    with Client(process.address) as client:
        for _ in range(3):
            assert client.ask(request("GET", path)).body == b"42"


def test_a_child_that_comes_back_answers_nobody(process: Process) -> None:
    pid = b"from %d" % process.popen.pid
    with Client(process.address) as client:
        for _ in range(5):
            assert client.ask(request("GET", "/comes_back")).body == pid
        assert client.ask(request("GET", "/reap")).body == b"[0, 0, 0, 0, 0]"
        assert client.is_silent()


def test_a_child_that_comes_back_from_an_iterator(process: Process) -> None:
    with Client(process.address) as client:
        for _ in range(3):
            assert client.ask(request("GET", "/yields")).body == b"from %d 0" % process.popen.pid
        assert client.is_silent()


def test_a_child_that_ends_as_programs_do(process: Process) -> None:
    with Client(process.address) as client:
        assert client.ask(request("GET", "/exits")).body == b"3"
        assert client.ask(request("GET", "/raises")).body == b"1"
        assert client.ask(request("GET", "/run")).body == b"42"


def test_connections_end_though_a_child_holds_them(process: Process) -> None:
    with Client(process.address) as other, Client(process.address) as client:
        other.ask(request("GET", "/run"))
        assert client.ask(request("GET", "/stays", "Connection: close")).body == b"stays"
        start = time.monotonic()
        assert client.is_closed()
        other.ask(request("GET", "/run", "Connection: close"))
        assert other.is_closed()
        assert time.monotonic() - start < 10
    with Client(process.address) as client:
        assert client.ask(request("GET", "/reap?kill")).body == b"[-9]"
