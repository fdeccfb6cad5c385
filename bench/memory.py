"""What an idle kept-alive connection costs a server in memory."""

import resource
import socket
import time

from install import UnavailableError
from scenarios import Scenario
from servers import Server

WARM = 64  # connections that fill the caches of a server before the first look
REST = 0.3  # seconds for the server to finish what it does after an answer
SECONDS = 5


def ask(server: Server, request: bytes) -> socket.socket:
    """A connection that has had one answer."""
    sock = socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS)
    sock.sendall(request)
    if not sock.recv(4096).startswith(b"HTTP/1.1 200"):
        raise UnavailableError("wrong: no answer while connections are idle")
    return sock


def still_open(sock: socket.socket) -> bool:
    sock.setblocking(False)
    try:
        return sock.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def per_connection(server: Server, scenario: Scenario, count: int) -> float:
    """Bytes. Opened in sequence, so that a server needs no more than one buffer at a time unless it keeps it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    request = scenario.one(server.host)
    for sock in [ask(server, request) for _ in range(WARM)]:
        sock.close()
    time.sleep(REST)
    before = server.memory()
    held: list[socket.socket] = []
    try:
        for _ in range(count):
            held.append(ask(server, request))  # noqa: PERF401 - those opened so far must be closed after an error
        time.sleep(REST)
        used = server.memory() - before
        closed = sum(not still_open(sock) for sock in held)
    finally:
        for sock in held:
            sock.close()
    if closed:
        raise UnavailableError(f"wrong: it closed {closed} of {count} idle connections")
    return used / count
