"""Every Python allocation of a request can fail: that request is answered or cut, and the next one is served."""

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.client import request
from support.process import environment

pytest.importorskip("_testcapi", reason="_testcapi, which makes allocations fail, is not installed")

HERE = Path(__file__).parent
CLOSE = "Connection: close"
COOKIES = ("Cookie: a=1", "Cookie: b=2", "Accept: a", "Accept: b", "X-Own: 1", "X-Own: 2", "X-" + "n" * 60 + ": 1")
CHUNKED = b"3\r\na\nb\r\n2000\r\n" + bytes(0x2000) + b"\r\n0\r\n\r\n"

ANSWERS = ["many", "raises", "replaced", "late", "wrong", "short", "write", "blocks", "big", "closing"]
ANSWERS += ["tuple", "file", "filelike", "str"]
REQUESTS = {
    "a list": request("GET", "/", CLOSE),
    "path and query": request("GET", "/a%20" + "b" * 600 + "?q", CLOSE),
    "fields": request("BREW", "/fields", CLOSE, *COOKIES, "User-Agent: " + "u" * 600),
    "another host": request("GET", "/", CLOSE).replace(b"Host: test", b"Host: " + b"h" * 600),
    "no host": b"GET / HTTP/1.0\r\n\r\n",
    "HEAD": request("HEAD", "/big", CLOSE),
    "a body": request("POST", "/read", CLOSE, body=b"line\nline\nline"),
    "a body in a file": request("POST", "/read", CLOSE, body=b"line\n" * 2000),
    "a chunked body": request("POST", "/read", CLOSE, "Transfer-Encoding: chunked") + CHUNKED,
    **{name: request("GET", f"/{name}", CLOSE) for name in ANSWERS},
}

# All that finish in their first step: a task that asyncio finds no memory for in a later one sleeps for ever.
ASGI_REQUESTS = {
    "hello": request("GET", "/hello", CLOSE),
    "fields": request("BREW", "/a%20" + "b" * 600 + "?q", CLOSE, *COOKIES, "User-Agent: " + "u" * 600),
    "a body": request("POST", "/read", CLOSE, body=b"line\nline\nline"),
    "a chunked body": request("POST", "/read", CLOSE, "Transfer-Encoding: chunked") + CHUNKED,
    "raises": request("GET", "/raises", CLOSE),
}

# What the interpreter says of a C function that leaves an exception beside its result, or none beside its failure. One
# in Python may do so: CPython loses an exception when there is no memory for the frame of its traceback.
BROKEN = r"(?m)^(?!.*<function).*(a result with an exception set|without setting an exception)|Fatal"


class Starving:
    """The process of support/starving.py that serves."""

    def __init__(self, process: "subprocess.Popen[str]", errors: Path) -> None:
        assert process.stdout is not None
        self.process = process
        self.errors = errors
        self.port = int(process.stdout.readline())

    def ask(self, data: bytes) -> bytes:
        """What comes before the end of the connection."""
        received = bytearray()
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as sock:
            try:
                sock.sendall(data)
                while more := sock.recv(1 << 20):
                    received += more
            except (ConnectionResetError, BrokenPipeError):
                assert self.process.poll() is None, self.errors.read_text()
        return bytes(received)

    def calm(self, tries: int) -> None:
        """Each try may use up one of the failures that are left."""
        assert any(b"calm" in self.ask(request("GET", "/calm", CLOSE)) for _ in range(tries)), "nothing is served"


@contextmanager
def starving(errors: Path, *words: str) -> Iterator[Starving]:
    env = environment({"PYTHONPATH": ":".join([str(HERE), *sys.path])})
    line = [sys.executable, "-P", *words]
    with errors.open("w") as log, subprocess.Popen(line, stdout=subprocess.PIPE, stderr=log, text=True, env=env) as run:
        try:
            yield Starving(run, errors)
            assert run.poll() is None, errors.read_text()
        finally:
            run.kill()
    assert not re.search(BROKEN, errors.read_text())


@pytest.mark.parametrize("failures", [1, 20])
@pytest.mark.parametrize("data", REQUESTS.values(), ids=REQUESTS.keys())
def test_a_request_short_of_memory_is_answered_or_cut_and_the_next_is_served(
    data: bytes, failures: int, tmp_path: Path
) -> None:
    with starving(tmp_path / "errors", "-X", "dev", "-m", "support.starving", "serve") as server:
        starve(server, data, failures)


# In development mode every asyncio task is one of its own, and is told from where it was made.
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="a coroutine that cannot be made crashes CPython from 3.12 on")
@pytest.mark.parametrize("failures", [1, 20])
@pytest.mark.parametrize("data", ASGI_REQUESTS.values(), ids=ASGI_REQUESTS.keys())
def test_an_asgi_request_short_of_memory_is_answered_or_cut_and_the_next_is_served(
    data: bytes, failures: int, tmp_path: Path
) -> None:
    with starving(tmp_path / "errors", "-X", "faulthandler", "-m", "support.starving_asgi") as server:
        starve(server, data, failures)


def starve(server: Starving, data: bytes, failures: int) -> None:
    """The n-th allocation fails, then the next, until none is in the way of the answer."""
    expected = without_date(server.ask(data))
    untouched, first, until = 0, 0, time.monotonic() + 5
    while (first < 40 or untouched < 8) and time.monotonic() < until:
        first += 1
        server.ask(request("GET", f"/starve?{first},{first + failures - 1}", CLOSE))
        answer = without_date(server.ask(data))
        assert (
            answer == expected or not answer or re.match(rb"HTTP/1\.1 (500|503) ", answer) or is_cut(answer, expected)
        ), answer[:300]
        untouched = untouched + 1 if answer == expected else 0
        server.calm(failures + 2)
    assert without_date(server.ask(data)) == expected


def without_date(answer: bytes) -> bytes:
    return re.sub(rb"\r\nDate: [^\r]*", b"", answer)


def is_cut(answer: bytes, expected: bytes) -> bool:
    """Whether the reply had begun as it should, and ended early."""
    return len(answer) < len(expected) and expected.startswith(answer)


def test_a_worker_that_cannot_be_made_leaves_nothing_behind() -> None:
    env = environment({"PYTHONPATH": ":".join([str(HERE), *sys.path])})
    line = [sys.executable, "-P", "-X", "dev", "-m", "support.starving", "construct"]
    done = subprocess.run(line, capture_output=True, text=True, env=env, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20
    assert not re.search(BROKEN, done.stderr)
