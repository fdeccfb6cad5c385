"""--threads: who waits for whom, and what the application sees of it."""

import contextvars
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from support.client import Client, request
from support.faults import wait_until
from support.wsgi import Serve

from velocem import Server


class Gate:
    """An application whose requests to /wait wait until they are let go."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.inside = threading.Semaphore(0)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/wait":
            self.inside.release()
            assert self.open.wait(30)
        start_response("200 OK", [])
        return [environ["PATH_INFO"].encode()]

    def enter(self, server: Server, count: int) -> list[Client]:
        """So many requests that wait in the application."""
        clients = [Client(server) for _ in range(count)]
        for client in clients:
            client.send(request("GET", "/wait"))
            assert self.inside.acquire(timeout=10)
        return clients


def test_as_many_requests_as_threads_are_in_the_application(serve: Serve) -> None:
    gate = Gate()
    server = serve(gate, threads=5)
    clients = gate.enter(server, 5)
    with Client(server) as late:
        late.send(request("GET", "/wait"))
        assert not gate.inside.acquire(timeout=0.3)
        gate.open.set()
        for client in [*clients, late]:
            assert client.read().body == b"/wait"
            client.close()


def test_one_that_waits_does_not_keep_others(serve: Serve) -> None:
    gate = Gate()
    server = serve(gate, threads=2)
    [client] = gate.enter(server, 1)
    with Client(server) as other:
        for _ in range(100):
            assert other.ask(request("GET", "/quick")).body == b"/quick"
    gate.open.set()
    assert client.read().body == b"/wait"
    client.close()


def test_beyond_the_limit_there_is_a_503_and_then_all_is_well(serve: Serve) -> None:
    gate = Gate()
    server = serve(gate, threads=2, limit_queue=3)
    clients = gate.enter(server, 2)
    waiting = [Client(server) for _ in range(3)]
    for client in waiting:
        client.send(request("GET", "/later"))
    wait_until(lambda: server.stats()["requests"] == 5)
    with Client(server) as refused:
        for _ in range(3):
            response = refused.ask(request("GET", "/refused"))
            assert (response.status, response.get("Retry-After"), response.closes) == (503, "1", False)
        gate.open.set()
        for client in clients + waiting:
            assert client.read().status == 200
            client.close()
        assert refused.ask(request("GET", "/again")).body == b"/again"


def test_one_who_goes_leaves_the_queue(serve: Serve) -> None:
    gate = Gate()
    called: list[str] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        called.append(environ["PATH_INFO"])
        return gate(environ, start_response)

    server = serve(app, threads=1)
    [client] = gate.enter(server, 1)
    with Client(server) as gone:
        gone.send(request("GET", "/gone"))
        wait_until(lambda: server.stats()["requests"] == 2)
        gone.reset()
    wait_until(lambda: server.stats()["open"] == 1)
    gate.open.set()
    assert client.read().body == b"/wait"
    assert client.ask(request("GET", "/last")).body == b"/last"
    client.close()
    assert called == ["/wait", "/last"]


def test_multithread_is_told_as_it_is(serve: Serve) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [repr(environ["wsgi.multithread"]).encode()]

    for threads, told in ((0, b"False"), (1, b"False"), (2, b"True")):
        with Client(serve(app, threads=threads)) as client:
            assert client.ask(request()).body == told


class Bound:
    """An application whose responses look whether their thread is theirs alone until close()."""

    def __init__(self) -> None:
        self.local = threading.local()
        self.wrong: list[Any] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        self.look(None)
        self.local.number = number = environ["QUERY_STRING"].encode()
        start_response("200 OK", [])
        return BoundResult(self, number)

    def look(self, number: bytes | None) -> None:
        if (found := getattr(self.local, "number", None)) != number:
            self.wrong.append((number, found))


class BoundResult:
    def __init__(self, app: Bound, number: bytes) -> None:
        self.app = app
        self.number = number

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(30):
            self.app.look(self.number)
            yield self.number * 5000

    def close(self) -> None:
        self.app.look(self.number)
        self.app.local.number = None


def run_all(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_response_is_made_on_one_thread_without_others_in_between(serve: Serve) -> None:
    """What --threads is for: a resource of the thread belongs to one response until its close()."""
    app = Bound()
    server = serve(app, threads=3)
    clients = [Client(server, receive_buffer=4096) for _ in range(9)]
    for number, client in enumerate(clients):
        client.send(request("GET", f"/?{number}"))
    run_all([threading.Thread(target=client.read) for client in clients])
    for client in clients:
        client.close()
    assert app.wrong == []


def test_every_request_has_a_context_of_its_own(serve: Serve) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    seen: list[str] = []

    class Result:
        def __iter__(self) -> Iterator[bytes]:
            for _ in range(40):
                yield variable.get().encode()

        def close(self) -> None:
            seen.append(variable.get())

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        seen.append(variable.get())
        variable.set(environ["PATH_INFO"])
        start_response("200 OK", [])
        return Result()

    with Client(serve(app, threads=1)) as client:
        for path in ("/a", "/b", "/c"):
            assert client.ask(request("GET", path)).body == path.encode() * 40
    assert seen == ["unset", "/a", "unset", "/b", "unset", "/c"]


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit, MemoryError, RecursionError])
def test_no_exception_ends_a_thread(serve: Serve, error: type[BaseException]) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/raise":
            raise error
        start_response("200 OK", [])
        return [b"served"]

    with Client(serve(app, threads=2)) as client:
        for _ in range(6):
            assert client.ask(request("GET", "/raise")).status == 500
            assert client.ask(request()).body == b"served"


def test_slow_readers_of_what_is_whole_hold_no_thread(serve: Serve) -> None:
    body = b"b" * 20_000_000

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [body] if environ["PATH_INFO"] == "/large" else [b"small"]

    server = serve(app, threads=1)
    slow = [Client(server, receive_buffer=4096) for _ in range(10)]
    for client in slow:
        client.send(request("GET", "/large"))
        client.fill()
    with Client(server) as client:
        for _ in range(20):
            assert client.ask(request()).body == b"small"
    assert slow[0].read().body == body
    for client in slow:
        client.close()


class Streams:
    """An application whose streams are more than a socket takes for one that does not read."""

    SIZE = 6_000_000

    def __init__(self) -> None:
        self.closed: list[str] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        write = start_response("200 OK", [("Content-Length", str(self.SIZE if path != "/small" else 5))])
        if path == "/write":
            for block in blocks(path):
                write(block)
            self.closed.append(path)
            return []
        return StreamsResult(self, path) if path != "/small" else [b"small"]


def blocks(path: str) -> Iterator[bytes]:
    """Each another one, so that their order shows."""
    return (bytes([number + len(path)]) * 100_000 for number in range(60))


class StreamsResult:
    def __init__(self, app: Streams, path: str) -> None:
        self.app = app
        self.path = path

    def __iter__(self) -> Iterator[bytes]:
        return blocks(self.path)

    def close(self) -> None:
        self.app.closed.append(self.path)


def read_slowly(server: Server, path: str) -> Client:
    client = Client(server, receive_buffer=4096)
    client.send(request("GET", path))
    assert client.read_status()[0] == 200
    return client


@pytest.mark.parametrize("path", ["/iterable", "/write"])
def test_slow_readers_of_streams_give_their_threads_to_others(serve: Serve, path: str) -> None:
    app = Streams()
    server = serve(app, threads=2)
    slow = [read_slowly(server, path) for _ in range(2)]
    with Client(server) as client:
        for _ in range(20):
            assert client.ask(request("GET", "/small")).body == b"small"
    assert app.closed[0] == path
    for one in slow:
        one.read_fields()
        assert one.take(app.SIZE) == b"".join(blocks(path))
        one.close()
    wait_until(lambda: len(app.closed) == 2)


def test_without_files_slow_readers_of_streams_hold_their_threads(serve: Serve) -> None:
    app = Streams()
    server = serve(app, threads=2, limit_spool=0)
    slow = [read_slowly(server, "/iterable") for _ in range(2)]
    with Client(server) as client:
        client.send(request("GET", "/small"))
        assert client.is_silent(0.5)
        slow[0].close()
        assert client.read().body == b"small"
    slow[1].close()
    wait_until(lambda: len(app.closed) == 2)


class Everything:
    """An application that answers in every way, by path."""

    def __init__(self) -> None:
        self.opened: list[int] = []
        self.closed: list[int] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        write = start_response("200 OK", [])
        match environ["PATH_INFO"]:
            case "/iterable":
                self.opened.append(1)
                return self
            case "/write":
                for _ in range(10):
                    write(b"w" * 20_000)
                return []
            case "/sleep":
                time.sleep(0.002)
                return [b"slept"]
            case "/large":
                return [b"l" * 300_000]
            case _:
                return [environ["wsgi.input"].read()]

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(20):
            yield b"r" * 20_000

    def close(self) -> None:
        self.closed.append(1)


PATHS = ["/iterable", "/write", "/sleep", "/large", "/body"]


def visit(server: Server, seed: int) -> None:
    """Sixty requests: some are cut short, of some the answer is, by FIN or by RST, and most are read."""
    for turn in range(seed, seed + 60):
        data = request("POST", PATHS[turn % 5], body=b"x" * 5000)
        with Client(server, receive_buffer=turn % 2 * 4096) as client:
            if turn % 3 == 0:
                client.send(data[: 10 + 997 * turn % len(data)])
            elif turn % 4 == 1:
                client.send(data)
                client.fill()
            else:
                assert client.ask(data).status == 200
            if turn % 7 > 2:
                client.reset()


def test_many_clients_that_come_and_go_at_every_stage(serve: Serve) -> None:
    """Everybody who stays is served, and nothing is left: races show in other ways."""
    app = Everything()
    server = serve(app, threads=4)
    with ThreadPoolExecutor(8) as visitors:
        for visitor in [visitors.submit(visit, server, seed) for seed in range(8)]:
            visitor.result()
    with Client(server) as client:
        assert client.ask(request("POST", "/body", body=b"alive")).body == b"alive"
    wait_until(lambda: server.stats()["open"] == 0 and len(app.opened) == len(app.closed))
    assert app.closed
