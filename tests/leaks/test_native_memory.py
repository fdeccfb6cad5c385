"""Twenty thousand requests of every feature of an App, and the process holds what it held before."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.client import Client, request
from support.flat import pipeline, stays_flat, vanish
from support.process import Process

pytestmark = pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="a sanitizer keeps freed memory")

REQUESTS = 20_000
JSON = "Content-Type: application/json"


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    options = ["--port", "0", "--timeout-keep-alive", "60"]
    with Process("native_features:app", *options, cwd=Path(__file__).parent) as process:
        with Client(process.address) as client:
            client.ask(request("GET", "/quiet"))
        yield process.address


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(request("GET", "/hello"), id="hello"),
        pytest.param(request("GET", "/users/42?q=a%20b&tag=1&tag=2"), id="parameters"),
        pytest.param(request("GET", "/users/x?q=a"), id="faults"),
        pytest.param(request("GET", "/waits"), id="waits"),
        pytest.param(request("POST", "/new", JSON, body=b'{"name": "a", "tags": ["b"]}'), id="body"),
        pytest.param(request("POST", "/new", JSON, body=b'{"name": "", "tags": ["b"]}'), id="invalid body"),
        pytest.param(request("GET", "/session"), id="provider"),
        pytest.param(request("GET", "/fails"), id="exception"),
        pytest.param(request("GET", "/none"), id="not found"),
        pytest.param(request("GET", "/file", "Range: bytes=0-9,20-29"), id="file"),
        pytest.param(request("GET", "/stream"), id="stream"),
    ],
)
def test_memory_of_an_app_is_flat(address: tuple[str, int], data: bytes) -> None:
    stays_flat(address, pipeline, data, REQUESTS)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(request("GET", "/waits"), id="in a coroutine"),
        pytest.param(request("GET", "/endless"), id="in a stream"),
        pytest.param(request("POST", "/new", JSON, body=b"x" * 3000)[:-10], id="in a body"),
    ],
)
def test_memory_of_an_app_is_flat_when_clients_vanish(address: tuple[str, int], data: bytes) -> None:
    stays_flat(address, vanish, data, REQUESTS // 5)
