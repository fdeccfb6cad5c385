"""Clients that go, say nothing, or are many."""

import resource
import signal
import socket
import struct
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.client import Client, request
from support.faults import Start, Tell, descriptors, wait_until, workers_of
from support.load import Load
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

WSGI = """
import time

def app(environ, start_response):
    if environ["PATH_INFO"] == "/stream":
        start_response("200 OK", [])
        return stream()
    if environ["PATH_INFO"] == "/slow":
        time.sleep(0.2)
    size = len(environ["wsgi.input"].read())
    start_response("200 OK", [("Content-Length", str(len(str(size))))])
    return [str(size).encode()]

def stream():
    for _ in range(20):
        yield b"x" * 1000
        time.sleep(0.005)
"""

ASGI = """
import asyncio

async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})
        return
    assert scope["type"] == "http"
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    if scope["path"] == "/slow":
        await asyncio.sleep(0.2)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(20 if scope["path"] == "/stream" else 0):
        await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
        await asyncio.sleep(0.005)
    await send({"type": "http.response.body", "body": str(size).encode()})
"""

NATIVE = """
import asyncio
from collections.abc import AsyncIterator
from velocem import App, Body, WebSocket

app = App()

@app.get("/")
def root() -> str:
    return "0"

@app.post("/")
def post(body: Body[bytes]) -> str:
    return str(len(body))

@app.get("/slow")
async def slow() -> str:
    await asyncio.sleep(0.2)
    return "0"

@app.get("/stream")
async def stream() -> AsyncIterator[bytes]:
    for _ in range(20):
        yield b"x" * 1000
        await asyncio.sleep(0.005)
    yield b"0"

@app.ws("/")
async def socket(ws: WebSocket[str, str]) -> None:
    async for message in ws:
        await ws.send(message)
"""

INTERFACES = {
    "WSGI on the loop": (WSGI, []),
    "WSGI in threads": (WSGI, ["--threads", "4"]),
    "ASGI": (ASGI, []),
    "native": (NATIVE, []),
}

# Where a client goes: what it has sent by then, and how many bytes of the answer it has read.
STAGES = {
    "after connecting": (b"", 0),
    "in the head": (b"GET / HTTP/1.1\r\nHos", 0),
    "in the body": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nab", 0),
    "in a chunk": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nab", 0),
    "before the answer": (b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n", 0),
    "in the answer": (b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n", 100),
}


@pytest.mark.parametrize("interface", INTERFACES)
def test_clients_that_go(start: Start, full: bool, tell: Tell, interface: str) -> None:
    """Clients that go at each stage of a request, by FIN and by RST, beside load."""
    source, options = INTERFACES[interface]
    process = start(source, "--workers", "1", *options)
    before = workers_of(process)
    (worker,) = before
    count = descriptors(worker)
    went = 0
    with Load(process.address, fresh=1, kept=1, pause=0.005) as load:
        for sent, read in STAGES.values():
            for by_reset in (False, True):
                for _ in range(20 if full else 3):
                    client = Client(process.address)
                    client.send(sent)
                    client.take(read)
                    client.reset() if by_reset else client.close()
                    went += 1
        load.wait_for(100)
    tell(f"{interface}: {went} went; beside them {load.figure}")
    assert load.losses == []
    assert workers_of(process) == before
    wait_until(lambda: descriptors(worker) <= count, 20)


def test_a_flood_of_resets(start: Start, full: bool, tell: Tell) -> None:
    """Connections that are made and reset as fast as four clients can, half of them with a request, beside load."""
    process = start(WSGI, "--workers", "2")
    before, over, made = workers_of(process), threading.Event(), [0] * 4

    def flood(number: int) -> None:
        while not over.is_set():
            with socket.create_connection(process.address) as sock:
                if made[number] % 2:
                    sock.send(request())
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            made[number] += 1

    threads = [threading.Thread(target=flood, args=(number,)) for number in range(4)]
    with Load(process.address, fresh=1, kept=1, pause=0.005) as load:
        for thread in threads:
            thread.start()
        load.wait_for(300 if full else 50)
        over.set()
        for thread in threads:
            thread.join()
    tell(f"{sum(made)} resets; beside them {load.figure}")
    assert load.losses == []
    assert workers_of(process) == before


def raise_descriptors(pids: set[int], wanted: int) -> None:
    for pid in (0, *pids):
        _, most = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        if most < wanted:
            pytest.skip(f"a process may have only {most} descriptors")
        resource.prlimit(
            pid, resource.RLIMIT_NOFILE, (max(wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[0]), most)
        )


def test_many_idle_and_many_churning(start: Start, full: bool, tell: Tell) -> None:
    """10,000 idle connections and 1,000 that come and go, beside load."""
    process = start(WSGI, "--workers", "2", "--timeout-keep-alive", "300", "--timeout-header", "300")
    idle, churning = (10_000, 1_000) if full else (500, 100)
    raise_descriptors(workers_of(process), idle + churning + 500)
    memory = sum(map(resident, workers_of(process)))
    with ExitStack() as stack:
        for _ in range(idle):
            client = stack.enter_context(Client(process.address))
            client.ask(request())
        grown = sum(map(resident, workers_of(process))) - memory
        with Load(process.address, fresh=1, kept=2, pause=0.002) as load:
            for _ in range(3):
                with ExitStack() as short:
                    for _ in range(churning):
                        short.enter_context(Client(process.address)).send(b"GET / HT")
            load.wait_for(100)
        tell(f"{idle} idle at {grown // idle} bytes each, {3 * churning} came and went; beside them {load.figure}")
        assert load.losses == []
        assert grown / idle < 4096 or not full


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def talk(socket_: ClientConnection, over: threading.Event, heard: list[str], codes: list[int]) -> None:
    try:
        while not over.is_set():
            socket_.send("hello")
            heard.append(str(socket_.recv()))
            time.sleep(0.01)
        socket_.recv()
    except ConnectionClosed as error:
        codes.append(error.rcvd.code if error.rcvd else 0)


@pytest.mark.parametrize("interface", ["ASGI", "native"])
def test_terminated_with_everything_open(start: Start, full: bool, tell: Tell, interface: str) -> None:
    """SIGTERM while streams, uploads and WebSockets are open."""
    process = start(INTERFACES[interface][0], "--workers", "2")
    count = 10 if full else 3
    codes: list[int] = []
    heard: list[str] = []
    with ExitStack() as stack:
        url = f"ws://{process.address[0]}:{process.address[1]}/"
        sockets = [stack.enter_context(connect(url)) for _ in range(count)]
        talkers = [threading.Thread(target=talk, args=(one, threading.Event(), heard, codes)) for one in sockets]
        streams = [stack.enter_context(Client(process.address)) for _ in range(count)]
        uploads = [stack.enter_context(Client(process.address)) for _ in range(count)]
        for talker in talkers:
            talker.start()
        for client in uploads:
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + b"u" * 50_000)
        for client in streams:
            client.send(request("GET", "/stream"))
        assert all(client.read_status()[0] == 200 for client in streams)
        wait_until(lambda: len(heard) > count)
        process.send(signal.SIGTERM)
        whole = sum(finish_stream(client) for client in streams)
        for client in uploads:
            client.send(b"u" * 50_000)
        whole += sum(client.read().body == b"100000" for client in uploads)
        for talker in talkers:
            talker.join()
    status = process.wait()
    figure = f"{interface}: sent {2 * count}, answered {whole}, lost {2 * count - whole}"
    tell(f"{figure}; {len(codes)} WebSockets closed by {', '.join(map(str, set(codes)))}; exit status {status}")
    assert whole == 2 * count
    assert len(codes) == count
    assert set(codes) <= {1001, 1012}
    assert status == 0


def finish_stream(client: Client) -> bool:
    client.read_fields()
    body, _ = client.read_chunked()
    return body == b"x" * 20_000 + b"0"
