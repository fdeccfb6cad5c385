"""Thousands of requests of every feature of ASGI, and the process holds what it held before."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.client import Client, request
from support.flat import Use, break_a_rule, frame, pipeline, stays_flat, talk, vanish, vanish_in_talk
from support.process import Process

pytestmark = pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="a sanitizer keeps freed memory")

REQUESTS = 10_000


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    options = ["--port", "0", "--no-access-log", "--timeout-keep-alive", "60"]
    with Process("asgi_features:app", *options, cwd=Path(__file__).parent) as process:
        with Client(process.address) as client:
            client.ask(request("GET", "/quiet"))
        yield process.address


@pytest.mark.parametrize("name", ["hello", "waits", "task", "stream", "exception", "refused", "file"])
def test_memory_of_asgi_is_flat(address: tuple[str, int], name: str) -> None:
    stays_flat(address, pipeline, request("GET", f"/{name}"), REQUESTS)


@pytest.mark.parametrize("name", ["waits", "endless", "long"])
def test_memory_of_asgi_is_flat_when_clients_vanish(address: tuple[str, int], name: str) -> None:
    stays_flat(address, vanish, request("GET", f"/{name}"), REQUESTS // 5)


@pytest.mark.parametrize(
    ("use", "data"),
    [
        pytest.param(talk, b"/chat hello", id="messages"),
        pytest.param(vanish_in_talk, b"/chat hello", id="a client that vanishes"),
        pytest.param(vanish_in_talk, b"/chat fail", id="an exception"),
        pytest.param(break_a_rule, b"/chat GET /", id="a frame that is none"),
        pytest.param(break_a_rule, b"/chat " + frame(1, b"\xff"), id="a text that is none"),
    ],
)
def test_memory_of_websockets_is_flat(address: tuple[str, int], use: Use, data: bytes) -> None:
    stays_flat(address, use, data, REQUESTS // 5)
