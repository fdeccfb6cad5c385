"""What goes wrong around a server: clients that vanish, stops, descriptors that run out, thousands idle."""

import os
import random
import resource
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from support.client import Client, request
from support.echo import Echo, seen_by
from support.process import Process

from velocem import Server
from velocem.types import Application, StartResponse, WSGIApplication, WSGIEnvironment

Adapt = Callable[[WSGIApplication], Application]

UPLOAD = b"POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 10000\r\n\r\n"
CHUNKED = b"POST /up HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)


def descriptors(pid: int | str = "self") -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


class Streamer:
    """Endless answers; counts how many began and how many were closed."""

    def __init__(self) -> None:
        self.began = self.closed = 0

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])
        return self.stream()

    def stream(self) -> Iterator[bytes]:
        self.began += 1
        try:
            while True:
                yield b"s" * 50_000
        finally:
            self.closed += 1


# --- clients that vanish ---------------------------------------------------------------------------------------------

STAGES: dict[str, bytes] = {
    "at once": b"",
    "in the request line": b"GET /a",
    "in the head": b"GET / HTTP/1.1\r\nHost: h\r\nA: b",
    "before the body": UPLOAD,
    "in the body": UPLOAD + b"x" * 5000,
    "in a large body": UPLOAD.replace(b"10000", b"2000000") + b"x" * 1_000_000,
    "in a chunk": CHUNKED + b"5\r\nhel",
    "in the trailers": CHUNKED + b"0\r\nA: b",
    "before a 100": UPLOAD.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"),
    "between requests": request(),
    "behind a refusal": b"BAD\r\n\r\n",
    "with requests waiting": request() * 200,
}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_that_vanishes_leaves_nothing(serve: Callable[..., Server], stage: str, how: str) -> None:
    server = serve(Echo(), body_memory=1000)
    time.sleep(0.02)
    before = descriptors()
    for turn in range(30):
        client = Client(server)
        client.send(STAGES[stage])
        if turn % 3:
            time.sleep(0.001)
        getattr(client, how)()
    if STAGES[stage]:  # a connection without a byte may end before the kernel has told of it
        wait_until(lambda: server.stats()["accepted"] == 30)
    wait_until(lambda: server.stats()["open"] == 0)
    wait_until(lambda: descriptors() == before)
    with Client(server) as client:
        assert client.ask(request()).status == 200


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("read", [0, 1000, 200_000])
def test_a_client_that_vanishes_in_the_answer(serve: Callable[..., Server], how: str, read: int) -> None:
    """The iterable is closed once, and nothing is left."""
    app = Streamer()
    server = serve(app)
    time.sleep(0.02)
    before = descriptors()
    for _ in range(10):
        client = Client(server, receive_buffer=4096)
        client.send(request())
        taken = 0
        while taken < read:
            taken += len(client.sock.recv(65536))
        getattr(client, how)()
    wait_until(lambda: server.stats()["accepted"] == 10)
    wait_until(lambda: server.stats()["open"] == 0)
    wait_until(lambda: app.began == app.closed)
    assert descriptors() == before


def test_a_storm_of_resets(serve: Callable[..., Server]) -> None:
    server = serve(Echo())
    for turn in range(2000):
        client = Client(server)
        client.send(request() if turn % 2 else b"GE")
        client.reset()
    wait_until(lambda: server.stats()["accepted"] == 2000)
    wait_until(lambda: server.stats()["open"] == 0)
    with Client(server) as client:
        assert client.ask(request()).status == 200


PIECES = [
    *STAGES.values(),
    request("POST", "/", body=b"hello"),
    CHUNKED + b"5\r\nhello\r\n0\r\n\r\n",
    b"HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"\r\n\r\n",
    b"x" * 70_000,
]


def careless(server: Server, seed: int, end: float) -> None:
    """Sends whole requests and parts of some, reads or does not, and goes in one way or another."""
    choose = random.Random(seed)
    while time.monotonic() < end:
        with suppress(OSError), Client(server, receive_buffer=choose.choice([0, 4096])) as client:
            for _ in range(choose.randrange(1, 5)):
                data = choose.choice(PIECES) * choose.choice([1, 1, 3])
                client.sock.setblocking(False)
                client.sock.send(data[: choose.randrange(len(data) + 1)] if choose.random() < 0.3 else data)
                client.sock.settimeout(0.02)
                with suppress(TimeoutError):
                    client.sock.recv(choose.choice([1, 100, 1 << 20]))
            if choose.random() < 0.4:
                client.reset()
            elif choose.random() < 0.5:
                client.shut()


def test_a_crowd_of_careless_clients_leaves_nothing(serve: Callable[..., Server]) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        size = len(environ["wsgi.input"].read()) + choose.choice([0, 10, 1_000_000])
        start_response("200 OK", choose.choice([[], [("Content-Length", str(size))]]))
        return choose.choice([[b"a" * size], iter([b"b" * (size // 2), b"c" * (size - size // 2)])])

    choose = random.Random(1)
    server = serve(app, timeout_header=1, timeout_body=1, timeout_keep_alive=1, timeout_write=1)
    time.sleep(0.02)
    before = descriptors()
    end = time.monotonic() + 4
    threads = [threading.Thread(target=careless, args=(server, seed, end)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until(lambda: server.stats()["open"] == 0)
    assert descriptors() == before
    assert server.stats()["requests"] > 100
    with Client(server) as client:
        assert client.ask(request()).status == 200


# --- stopping --------------------------------------------------------------------------------------------------------


class Finite:
    """An answer of 3 MB in 60 pieces."""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["wsgi.input"].read()
        start_response("200 OK", [])
        return (b"%02d" % n * 25_000 for n in range(60))


BODY = b"".join(b"%02d" % n * 25_000 for n in range(60))


def stopping(server: Server, **options: bool) -> threading.Thread:
    thread = threading.Thread(target=server.stop, kwargs=options)
    thread.start()
    return thread


def test_a_stop_lets_answers_finish_and_closes_the_idle(adapt: Adapt) -> None:
    server = Server(adapt(Finite()))
    server.start()
    with Client(server) as idle, Client(server, receive_buffer=4096) as reader, Client(server) as fresh:
        assert idle.ask(request()).body == BODY
        reader.send(request())
        reader.fill()
        wait_until(lambda: server.stats()["accepted"] == 3)  # the kernel tells of a silent one after a second
        start = time.monotonic()
        thread = stopping(server)
        assert idle.is_closed()
        assert fresh.is_closed()
        assert thread.is_alive()
        assert reader.read().body == BODY
        assert reader.is_closed()
        thread.join(10)
        assert not thread.is_alive()
        assert time.monotonic() - start < 3, "it waited for what had ended"


def test_a_stop_waits_for_an_upload_and_says_close(adapt: Adapt) -> None:
    server = Server(adapt(Echo()))
    server.start()
    with Client(server) as client:
        client.send(UPLOAD + b"x" * 5000)
        wait_until(lambda: server.stats()["requests"] == 1)
        thread = stopping(server)
        time.sleep(0.1)
        response = client.ask(b"x" * 5000)
        assert response.closes
        assert len(seen_by(response).body) == 10_000
        assert client.is_closed()
        thread.join(10)
        assert not thread.is_alive()


def test_a_stop_waits_for_a_head_that_has_begun(adapt: Adapt) -> None:
    server = Server(adapt(Echo()))
    server.start()
    with Client(server) as client:
        client.send(request()[:20])
        wait_until(lambda: server.stats()["open"] == 1)
        time.sleep(0.05)
        thread = stopping(server)
        time.sleep(0.1)
        assert client.ask(request()[20:]).closes
        thread.join(10)
        assert not thread.is_alive()


def test_requests_that_wait_in_a_train_are_answered_before_the_end(adapt: Adapt) -> None:
    server = Server(adapt(Finite()))
    server.start()
    with Client(server, receive_buffer=4096) as client:
        client.send(request() * 2)
        client.fill()
        thread = stopping(server)
        time.sleep(0.05)
        assert client.read().body == BODY
        second = client.read()
        assert second.closes
        assert second.body == BODY
        assert client.is_closed()
        thread.join(10)
        assert not thread.is_alive()


def is_let_go(client: Client) -> bool:
    """Closed, by ASGI with a word: a handler that waited for the body is cancelled."""
    return client.read_all_of_broken()[:13] in (b"", b"HTTP/1.1 500 ")


def test_the_grace_has_an_end(adapt: Adapt) -> None:
    server = Server(adapt(Streamer()), timeout_graceful_shutdown=0.5)
    server.start()
    with Client(server, receive_buffer=4096) as reader, Client(server) as sender:
        reader.send(request())
        sender.send(UPLOAD)
        reader.fill()
        start = time.monotonic()
        thread = stopping(server)
        thread.join(10)
        assert not thread.is_alive()
        assert 0.4 < time.monotonic() - start < 4
        assert is_let_go(sender)


def test_a_stop_at_once_waits_for_nobody(adapt: Adapt) -> None:
    app = Streamer()
    server = Server(adapt(app))
    server.start()
    with Client(server, receive_buffer=4096) as reader, Client(server) as sender:
        reader.send(request())
        sender.send(UPLOAD)
        reader.fill()
        start = time.monotonic()
        server.stop(at_once=True)
        assert time.monotonic() - start < 2
        assert app.closed == 1
        assert is_let_go(sender)


def test_many_answers_in_flight_all_arrive(adapt: Adapt) -> None:
    server = Server(adapt(Finite()))
    server.start()
    clients = [Client(server, timeout=30) for _ in range(30)]
    try:
        for client in clients:
            client.send(request())
        wait_until(lambda: server.stats()["requests"] == 30)
        thread = stopping(server)
        for client in clients:
            assert client.read().body == BODY
            assert client.is_closed()
        thread.join(10)
        assert not thread.is_alive()
    finally:
        for client in clients:
            client.close()


# --- descriptors, and thousands of connections -----------------------------------------------------------------------

APP = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_kib(pid: int) -> int:
    """Memory of its own: no file behind it."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    raise AssertionError("no RssAnon")


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """process(option, ...) gives a server in a process of its own."""
    (tmp_path / "small.py").write_text(APP)
    started: list[Process] = []

    def start(*options: str) -> Process:
        started.append(Process("small:app", "--port", "0", *options, cwd=tmp_path).__enter__())
        return started[-1]

    yield start
    for one in started:
        one.__exit__(None, None, None)


def test_idle_connections_make_room_when_descriptors_run_out(process: Callable[..., Process]) -> None:
    server = process("--timeout-keep-alive", "60")
    limit = descriptors(server.popen.pid) + 20
    resource.prlimit(server.popen.pid, resource.RLIMIT_NOFILE, (limit, limit))
    clients = [Client(server.address, timeout=20) for _ in range(200)]
    try:
        for client in clients:
            assert client.ask(request()).body == b"ok"
        assert descriptors(server.popen.pid) <= limit
    finally:
        for client in clients:
            client.close()


def test_a_server_without_descriptors_waits_and_does_not_spin(process: Callable[..., Process]) -> None:
    """Connections that are busy are not closed for others; who waits is served when they end."""
    server = process("--timeout-header", "60")
    pid = server.popen.pid
    limit = descriptors(pid) + 20
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, limit))
    busy = [Client(server.address) for _ in range(20)]
    waiting = []
    try:
        for client in busy:
            client.send(b"GET / HTTP/1.1\r\n")
        wait_until(lambda: descriptors(pid) == limit)
        waiting = [Client(server.address, timeout=20) for _ in range(100)]
        for client in waiting:
            client.send(request(target="/", method="GET"))
        before = cpu_seconds(pid)
        time.sleep(1)
        assert cpu_seconds(pid) - before < 0.1
        assert waiting[0].is_silent()
        for client in busy:
            assert client.ask(b"Host: h\r\nConnection: close\r\n\r\n").body == b"ok"
        for client in waiting:
            assert client.read().body == b"ok"
    finally:
        for client in busy + waiting:
            client.close()


@pytest.fixture
def many_descriptors() -> Iterator[int]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_ten_thousand_idle_connections(process: Callable[..., Process], many_descriptors: int) -> None:
    """Each costs less than a KiB of the server's memory, and the others are answered as before."""
    count = min(10_000, many_descriptors - 200)
    server = process("--timeout-keep-alive", "120")
    pid = server.popen.pid
    own = descriptors(pid)
    clients = []
    try:
        for _ in range(100):
            clients.append(Client(server.address))
            assert clients[-1].ask(request()).body == b"ok"
        before = resident_kib(pid)
        for _ in range(count - 100):
            clients.append(Client(server.address, timeout=30))
            assert clients[-1].ask(request()).body == b"ok"
        each = (resident_kib(pid) - before) * 1024 / (count - 100)
        print(f"{count} idle connections, {each:.0f} bytes each")
        assert each < 1024 or "asan" in os.environ.get("LD_PRELOAD", "")  # which pads every allocation
        assert descriptors(pid) >= own + count
        start = time.monotonic()
        for client in clients[:: count // 500]:
            assert client.ask(request()).body == b"ok"
        assert time.monotonic() - start < 5
        for client in clients:
            client.close()
        wait_until(lambda: descriptors(pid) == own)
    finally:
        for client in clients:
            client.close()
