"""Hostile input: ambiguous messages behind real proxies, bombs, colliding names, floods of fields."""

import importlib.util
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from support.client import Client, request
from support.faults import Start, Tell, workers_of
from support.fronts import Front, free_port, haproxy, nginx
from support.load import Load

from velocem import Server
from velocem.types import StartResponse, WSGIEnvironment

ATTACKS = Path(__file__).parents[1] / "conformance" / "http1" / "test_attacks.py"

NGINX = """
upstream app {{ server 127.0.0.1:{app}; keepalive 4; }}
server {{
    listen 127.0.0.1:{port};
    location / {{
        proxy_pass http://app;
        proxy_http_version 1.1;
        proxy_request_buffering off;
        proxy_set_header Connection "";
        proxy_set_header X-Front $request_id;
    }}
}}
"""

HAPROXY = """
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
frontend in
    bind 127.0.0.1:{port}
    unique-id-format %{{+X}}o%ci:%cp_%Ts%rt
    http-request set-header X-Front %[unique-id]
    default_backend app
backend app
    http-reuse always
    server app 127.0.0.1:{app}
"""


def desync() -> list[tuple[str, str, bytes, list[int], list[str]]]:
    """The messages of the conformance tests, each of which has had two meanings somewhere."""
    spec = importlib.util.spec_from_file_location("attacks", ATTACKS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: list[tuple[str, str, bytes, list[int], list[str]]] = module.DESYNC
    return found


class Seen:
    """An application that notes which requests it gets, and which of them the front has sent."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str]] = []

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        environ["wsgi.input"].read()
        self.requests.append((environ["PATH_INFO"], environ.get("HTTP_X_FRONT", "")))
        body = environ["PATH_INFO"].encode("latin-1")
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]


@pytest.fixture(params=["nginx", "HAProxy"])
def front(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Front, Seen, Server]]:
    seen, port = Seen(), free_port()
    with Server(seen, timeout_keep_alive=60) as server:
        if request.param == "nginx":
            made = nginx(NGINX.format(app=server.port, port=port), tmp_path, port)
        else:
            made = haproxy(HAPROXY.format(app=server.port, port=port), tmp_path, port)
        with made:
            yield str(request.param), made, seen, server


def send(front: Front, data: bytes) -> bytes:
    """Everything that comes back, until the front closes or has nothing more to say."""
    with suppress(ConnectionError), Client(front.address, timeout=1.0) as client:
        client.send(data)
        client.shut()
        with suppress(TimeoutError):
            client.read_all_of_broken()
        return bytes(client.pending)
    return b""


def test_messages_with_two_meanings(front: tuple[str, Front, Seen, Server], tell: Tell) -> None:
    """Messages that have smuggled a request somewhere, sent to a proxy in front that keeps its connections."""
    name, proxy, seen, server = front
    messages, refused = desync(), 0
    for number, (_, what, data, _, _) in enumerate(messages):
        before = len(seen.requests)
        send(proxy, data)
        for _ in range(3):  # whoever comes next, on whichever connection to us, gets his own answer
            with Client(proxy.address) as client:
                answer = client.ask(request("GET", f"/next/{number}", "Connection: close"))
            assert (answer.status, answer.body) == (200, f"/next/{number}".encode()), what
        new = seen.requests[before:]
        refused += len(new) == 3
        assert all(mark for _, mark in new), (what, new)
    tell(f"{name}: {len(messages)} sent, {refused} refused before or by us, {len(messages) - refused} seen alike")
    assert server.stats()["accepted"] < 10 * len(messages)


ASGI = """
async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": "ok"})
        return
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
"""


def upgrade() -> bytes:
    return request(
        "GET",
        "/",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Extensions: permessage-deflate",
    )


def frame(payload: bytes) -> bytes:
    """A masked, compressed, final text message; its mask is zero."""
    return b"\xc1" + bytes([0xFF]) + len(payload).to_bytes(8, "big") + bytes(4) + payload


def test_bombs(start: Start, full: bool, tell: Tell) -> None:
    """Compressed WebSocket messages of a thousand times their size (--ws-max-size 1m)."""
    process = start(ASGI, "--workers", "1", "--ws-max-size", "1m")
    (worker,) = workers_of(process)
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = squeeze.compress(bytes(200 << 20)) + squeeze.flush(zlib.Z_SYNC_FLUSH)
    bomb = bomb.removesuffix(b"\0\0\xff\xff")
    count, codes = 20 if full else 3, set[int]()
    before = peak(worker)
    with Load(process.address, kept=1, pause=0.005) as load:
        for _ in range(count):
            with Client(process.address) as client:
                client.send(upgrade())
                assert client.read_status()[0] == 101
                client.read_fields()
                client.send(frame(bomb))
                assert client.take(1) == b"\x88"
                size = client.take(1)[0]
                codes.add(int.from_bytes(client.take(size)[:2], "big"))
        load.wait_for(50)
    grown = peak(worker) - before
    tell(f"{count} of 200 MiB each, closed by {codes}; the worker grew by {grown >> 10} KiB at most; {load.figure}")
    assert codes == {1009}
    assert grown < 16 << 20
    assert load.losses == []


def peak(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


HELLO = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


def colliding() -> list[str]:
    """Names that a weak hash would give one place: the same letters in another order, and long common beginnings."""
    names = [f"X-{'a' * left}b{'a' * (60 - left)}" for left in range(45)]
    return names + [f"X-{'c' * 60}{number:02d}" for number in range(45)]


FLOODS: dict[str, Callable[[], bytes]] = {
    "100,000 fields": lambda: b"GET / HTTP/1.1\r\nHost: h\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(100_000)),
    "fields without end": lambda: b"GET / HTTP/1.1\r\nHost: h\r\n" + b"A: b\r\n" * 200_000,
    "a field of 10 MiB": lambda: b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"y" * (10 << 20),
    "a target of 10 MiB": lambda: b"GET /" + b"y" * (10 << 20),
    "a method of 1 MiB": lambda: b"G" * (1 << 20),
    "chunk extensions of 10 MiB": lambda: (
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * (10 << 20)
    ),
    "trailers of 10 MiB": lambda: (
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"A: b\r\n" * (2 << 20)
    ),
    "empty lines": lambda: b"\r\n" * (5 << 20),
}


@pytest.mark.parametrize("threads", ["0", "2"])
def test_floods(start: Start, full: bool, tell: Tell, threads: str) -> None:
    """Heads, fields, chunk extensions and trailers without end, beside load: refused, and memory stays."""
    process = start(HELLO, "--workers", "1", "--threads", threads)
    (worker,) = workers_of(process)
    before, statuses = peak(worker), set[int]()
    with Load(process.address, kept=1, fresh=1, pause=0.005) as load:
        for make in FLOODS.values():
            data = make()
            for _ in range(5 if full else 1):
                statuses.add(flood(process.address, data))
        load.wait_for(50)
    grown = peak(worker) - before
    told = ", ".join(str(status or "cut") for status in sorted(statuses))
    tell(f"--threads {threads}: {len(FLOODS)} kinds, answered by {told}; grew by {grown >> 10} KiB; {load.figure}")
    assert statuses <= {0, 400, 413, 414, 431, 501}
    assert grown < 8 << 20
    assert load.losses == []


def flood(address: tuple[str, int], data: bytes) -> int:
    """The status that it is answered by; 0 when it is cut before that can be read."""
    with Client(address) as client:
        with suppress(OSError):
            client.send(data)
        answer = client.read_all_of_broken()
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else 0


def test_names_that_collide(start: Start, tell: Tell) -> None:
    """Requests of 90 fields whose names are made to collide, against as many harmless ones."""
    process = start(HELLO, "--workers", "1", "--limit-head", "64k")
    hostile = request("GET", "/", *(f"{name}: 1" for name in colliding()))
    harmless = request("GET", "/", *(f"X-{os.urandom(30).hex()}: 1" for _ in colliding()))
    spent = {name: cpu_of(process, data) for name, data in (("harmless", harmless), ("hostile", hostile))}
    tell(f"harmless {spent['harmless'] * 1e6:.0f} us of processor each, hostile {spent['hostile'] * 1e6:.0f} us")
    assert spent["hostile"] < 5 * spent["harmless"] + 1e-3


def cpu_of(process: Any, data: bytes) -> float:
    (worker,) = workers_of(process)
    count, began = 300, cpu_seconds(worker)
    with Client(process.address) as client:
        for _ in range(count):
            assert client.ask(data).status == 200
    return (cpu_seconds(worker) - began) / count


def cpu_seconds(pid: int) -> float:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
