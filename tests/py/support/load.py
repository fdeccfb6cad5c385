"""Clients that send requests until they are told to stop, and count what became of each."""

import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from types import TracebackType
from typing import NamedTuple, Self

Address = tuple[str, int]

TIMEOUT = 30.0


class Figure(NamedTuple):
    """What a correct client would report."""

    sent: int
    answered: int  # with the status that was wanted, whole
    lost: int  # failed in any other way
    retried: int  # of the answered: a kept connection was closed before any byte of the answer, and GET sent again

    def __str__(self) -> str:
        return f"sent {self.sent}, answered {self.answered}, lost {self.lost}, retried {self.retried}"


class Answer(NamedTuple):
    """A response, whole."""

    status: int
    head: bytes
    body: bytes

    @property
    def closes(self) -> bool:
        return b"\r\nconnection: close\r\n" in self.head.lower()


class BrokenError(Exception):
    """The connection ended, or time ran out, in the middle of something."""


class ClosedError(BrokenError):
    """The connection ended before the first byte of an answer."""


class Connection:
    """Asks and reads; close() when it is over."""

    def __init__(self, address: Address) -> None:
        self.sock = socket.create_connection(address, timeout=TIMEOUT)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b""
        self.answers = 0

    def close(self) -> None:
        self.sock.close()

    def ask(self, request: bytes) -> Answer:
        """ClosedError when not a byte of an answer came, BrokenError when not all of it did."""
        try:
            self.sock.sendall(request)
            answer = self.read()
        except (ConnectionError, TimeoutError) as error:
            kind = ClosedError if not self.pending and isinstance(error, ConnectionError) else BrokenError
            raise kind(str(error) or "the connection ended") from None
        self.answers += 1
        return answer

    def read(self) -> Answer:
        while (end := self.pending.find(b"\r\n\r\n")) < 0:
            self.fill()
        head, self.pending = self.pending[: end + 4], self.pending[end + 4 :]
        length = head.lower().partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0]
        while len(self.pending) < int(length):
            self.fill()
        body, self.pending = self.pending[: int(length)], self.pending[int(length) :]
        return Answer(int(head[9:12]), head, body)

    def fill(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionResetError("the connection was closed")
        self.pending += data


class Load:
    """Clients of three kinds, each in a thread, while the with block runs.

    fresh: a connection for every request. kept: one request behind the other on one connection.
    thinking: the same, with pauses of random length between requests.
    """

    def __init__(
        self,
        address: Address,
        *,
        fresh: int = 0,
        kept: int = 0,
        thinking: int = 0,
        target: str = "/",
        pause: float = 0.0,
        wanted: int = 200,
    ) -> None:
        self.address = address
        self.target = target
        self.pause = pause
        self.wanted = wanted
        self.sent = self.answered = self.retried = 0
        self.losses: list[str] = []
        self.bodies: Counter[bytes] = Counter()
        self.slowest = 0.0
        self.over = threading.Event()
        self.lock = threading.Lock()
        kinds: list[Callable[[], None]] = (
            [self.be_fresh] * fresh + [self.be_kept] * kept + [self.be_thinking] * thinking
        )
        self.threads = [threading.Thread(target=kind) for kind in kinds]

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Every client finishes its request."""
        self.over.set()
        for thread in self.threads:
            thread.join()

    @property
    def figure(self) -> Figure:
        return Figure(self.sent, self.answered, len(self.losses), self.retried)

    def wait_for(self, answers: int, seconds: float = 60) -> None:
        """Until that many more have come."""
        wanted, end = self.answered + answers, time.monotonic() + seconds
        while self.answered < wanted:
            assert time.monotonic() < end, f"only {self.figure}; {self.losses[:5]}"
            time.sleep(0.01)

    # Clients.

    def request(self, *fields: str) -> bytes:
        return "\r\n".join([f"GET {self.target} HTTP/1.1", "Host: load", *fields, "", ""]).encode()

    def be_fresh(self) -> None:
        request = self.request("Connection: close")
        while not self.over.is_set():
            self.count(lambda: self.ask_once(request))
            self.over.wait(self.pause)

    def ask_once(self, request: bytes) -> Answer:
        with closing(Connection(self.address)) as connection:
            return connection.ask(request)

    def be_kept(self) -> None:
        self.keep(lambda: self.pause)

    def be_thinking(self) -> None:
        self.keep(lambda: random.uniform(0, 0.05))

    def keep(self, pause: Callable[[], float]) -> None:
        request = self.request()
        connection: Connection | None = None
        while not self.over.is_set():
            connection = self.ask_kept(connection, request)
            self.over.wait(pause())
        if connection is not None:
            connection.close()

    def ask_kept(self, connection: Connection | None, request: bytes) -> Connection | None:
        """The connection to go on with."""
        holder = [connection]

        def ask() -> Answer:
            kept = holder[0] = holder[0] or Connection(self.address)
            return kept.ask(request)

        def ask_again() -> Answer:
            """RFC 9112 9.3.1: a client may, of itself, when the connection was kept and the method is idempotent."""
            try:
                return ask()
            except ClosedError:
                kept = holder[0]
                if kept is None or not kept.answers:
                    raise
                kept.close()
                holder[0] = None
                answer = ask()
            with self.lock:
                self.retried += 1
            return answer

        answer = self.count(ask_again)
        kept = holder[0]
        if kept is not None and (answer is None or answer.closes):
            kept.close()
            return None
        return kept

    def count(self, ask: Callable[[], Answer]) -> Answer | None:
        start = time.monotonic()
        with self.lock:
            self.sent += 1
        try:
            answer = ask()
        except (BrokenError, OSError) as error:
            self.lose(f"{type(error).__name__}: {error}")
            return None
        if answer.status != self.wanted:
            self.lose(f"status {answer.status}")
            return answer
        with self.lock:
            self.answered += 1
            self.bodies[answer.body] += 1
            self.slowest = max(self.slowest, time.monotonic() - start)
        return answer

    def lose(self, reason: str) -> None:
        with self.lock:
            self.losses.append(reason)
