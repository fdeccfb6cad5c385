"""--limit-concurrency: requests beyond it are answered by 503, without the application."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from support.client import Client, Response, request
from support.faults import wait_until

import velocem
from velocem.types import StartResponse, WSGIEnvironment


class Gate:
    """An application whose requests wait until it is opened."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.calls = 0

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        self.calls += 1
        if environ["PATH_INFO"] == "/wait":
            assert self.open.wait(30)
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open.set()


def ask(server: velocem.Server, target: str = "/", body: bytes = b"") -> Response:
    with Client(server) as client:
        return client.ask(request("POST" if body else "GET", target, body=body))


@pytest.mark.parametrize("streams", [False, True])
def test_one_too_many_is_answered_by_503_and_the_next_one_is_served(gate: Gate, *, streams: bool) -> None:
    with velocem.Server(gate, threads=8, limit_concurrency=2, stream_body=streams) as server, ExitStack() as stack:
        clients = [stack.enter_context(Client(server)) for _ in range(2)]
        for client in clients:
            client.send(request("GET", "/wait"))
        wait_until(lambda: gate.calls == 2, 10)
        with Client(server) as third:
            response = third.ask(request(body=b"x" * 100_000, method="POST"))
            assert response.status == 503
            assert response.get("Retry-After") == "1"
            assert third.ask(request()).status == 503
            assert gate.calls == 2
            gate.open.set()
            assert [client.read().status for client in clients] == [200, 200]
            assert third.ask(request()).status == 200


def test_a_client_that_leaves_counts_no_more(gate: Gate) -> None:
    with velocem.Server(gate, limit_concurrency=1, threads=2) as server:
        with Client(server) as client:
            client.send(request("GET", "/wait"))
            wait_until(lambda: gate.calls == 1, 10)
            assert ask(server).status == 503
            gate.open.set()
            assert client.read().status == 200
        assert ask(server).status == 200
