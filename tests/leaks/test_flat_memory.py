"""A hundred thousand requests of every feature, and the process holds what it held before."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.client import Client, request
from support.flat import pipeline, stays_flat, vanish
from support.process import Process

pytestmark = pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="a sanitizer keeps freed memory")

# Bodies go to files there: on a file system in memory a hundred thousand take seconds.
FOLDER = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()

REQUESTS = 100_000  # and fewer in threads, which take longer and have the same objects: 50,000 show a leak too
QUIET = request("GET", "/quiet")

# A short queue: what waits in it at the worst moment is no leak.
THREADS = ["--threads", "2", "--limit-queue", "20"]


MODES = {"loop": [], "threads": THREADS, "streams": [*THREADS, "--stream-body"]}


@pytest.fixture(scope="module", params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def requests(mode: str) -> int:
    return REQUESTS if mode == "loop" else 50_000


@pytest.fixture(scope="module")
def address(mode: str) -> Iterator[tuple[str, int]]:
    options = ["--port", "0", "--body-memory", "1000", "--timeout-keep-alive", "60", *MODES[mode]]
    with Process("features:app", *options, cwd=Path(__file__).parent, env={"TMPDIR": FOLDER}) as process:
        with Client(process.address) as client:
            client.ask(QUIET)
        yield process.address


BROWSER = [
    "User-Agent: Mozilla/5.0", "Accept: text/html", "Accept-Language: en", "Accept-Encoding: gzip", "Cookie: a=1",
    "Cookie: b=2",
    "X-Own: 1", "X-Own: 1", "X_Dropped: 1", "Referer: http://a/", "Cache-Control: no-cache", "X-Long: " + "x" * 600,
]  # fmt: skip
CHUNKED = (
    b"POST /post HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na\nb\r\n4\r\ncdef\r\n0\r\nX: 1\r\n\r\n"
)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(request("GET", "/hello"), id="hello"),
        pytest.param(request("GET", "/hello?a=%20", *BROWSER), id="browser fields"),
        pytest.param(request("HEAD", "/hello"), id="head"),
        pytest.param(request("POST", "/post", body=b"line\n" * 20), id="body in memory"),
        pytest.param(request("POST", "/post", body=b"line\n" * 300), id="large body"),
        pytest.param(CHUNKED, id="chunked body"),
        pytest.param(request("GET", "/generator"), id="generator"),
        pytest.param(request("GET", "/late"), id="late start_response"),
        pytest.param(request("GET", "/exception"), id="exception"),
        pytest.param(request("GET", "/refused"), id="refused fields"),
        pytest.param(request("GET", "/not_found"), id="not found"),
        pytest.param(request("GET", "/write"), id="write"),
        pytest.param(request("GET", "/file"), id="file_wrapper"),
    ],
)
def test_memory_is_flat(address: tuple[str, int], data: bytes, requests: int) -> None:
    stays_flat(address, pipeline, data, requests)


SPOOLED = b"POST /post HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1f4\r\n%s\r\n3e8\r\n%s\r\n0\r\n\r\n"


def test_memory_is_flat_with_bodies_in_files(address: tuple[str, int], requests: int) -> None:
    stays_flat(address, pipeline, SPOOLED % (b"x" * 499 + b"\n", b"y" * 999 + b"\n"), requests)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(request("GET", "/hello"), id="after a request"),
        pytest.param(request("GET", "/endless"), id="in a response"),
        pytest.param(request("POST", "/post", body=b"x" * 3000)[:-10], id="in a body"),
        pytest.param(request("GET", "/hello", *BROWSER)[:100], id="in a head"),
    ],
)
def test_memory_is_flat_when_clients_vanish(address: tuple[str, int], data: bytes, requests: int) -> None:
    """A quarter of them at each place."""
    stays_flat(address, vanish, data, requests // 4)
