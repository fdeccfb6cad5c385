"""Topics across workers and machines: what is published goes through Redis or Valkey, by their own protocol (RESP3)."""

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote, urlsplit

from velocem.logging import logger

PREFIX = b"velocem:"
ORIGIN_BYTES = 8

PING_SECONDS = 5.0
SILENT_SECONDS = 15.0  # without any answer: the connection is dead
WAIT_LEAST, WAIT_MOST = 0.1, 5.0  # between attempts to connect
CONNECT_SECONDS = 5.0
MOST_WAITING = 8 << 20  # bytes that wait for Redis; what is published meanwhile is lost
LAST_SECONDS = 1.0  # for the answers to what was published last


class RedisError(Exception):
    """What Redis answers when it will not."""


def told(error: Exception) -> str:
    return str(error) or type(error).__name__


def command(*words: bytes) -> bytes:
    """As RESP has it."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


class Push(list[Any]):
    """What comes without having been asked for."""


async def read_reply(reader: asyncio.StreamReader) -> Any:
    """One value of RESP3; an error is given, not raised."""
    line = (await reader.readuntil(b"\r\n"))[:-2]
    kind, rest = line[:1], line[1:]
    if kind in b"$=" and rest != b"-1":
        return (await reader.readexactly(int(rest) + 2))[:-2]
    if kind in b"*~>":
        items = [await read_reply(reader) for _ in range(max(int(rest), 0))]
        return Push(items) if kind == b">" else items
    if kind == b"%":
        return [await read_reply(reader) for _ in range(2 * int(rest))]
    if kind == b":":
        return int(rest)
    if kind == b"-":
        return RedisError(rest.decode(errors="replace"))
    if kind in b"+_,#($":
        return rest
    raise RedisError(f"no reply begins with {line[:20]!r}")


class Bus:
    """One connection, which comes back when it is lost. ``lost`` counts messages that others may not have got.

    The URL is ``redis://[user:password@]host[:port]``, ``rediss://`` for TLS, or ``unix:///path``. Topics are the
    channels of the same name behind ``velocem:``.
    """

    def __init__(self, url: str, deliver: Callable[[str, bytes, bool], None]) -> None:
        self.parts = urlsplit(url)
        if self.parts.scheme not in {"redis", "rediss", "unix"}:
            raise ValueError(f"pubsub is redis://host:port, rediss://host:port or unix:///path, not {url!r}")
        self.deliver = deliver
        self.origin = secrets.token_bytes(ORIGIN_BYTES)
        self.lost = 0
        self.unanswered = 0
        self.unsaid = 0  # of the lost ones, those that the log does not tell yet
        self.writer: asyncio.StreamWriter | None = None
        self.task: asyncio.Task[None] | None = None
        self.topics: Callable[[], Iterable[str]] = tuple
        self.ready = asyncio.Event()

    async def start(self, topics: Callable[[], Iterable[str]]) -> None:
        """Connect, and go on when that takes too long: it is tried again for as long as it is not there."""
        self.topics = topics
        self.task = asyncio.get_running_loop().create_task(self.run(), name="pub/sub")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.ready.wait(), WAIT_LEAST * 5)

    async def stop(self) -> None:
        """After the answers to what was published last."""
        deadline = time.monotonic() + LAST_SECONDS
        while self.writer is not None and self.unanswered and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait([self.task])

    # --- out

    def publish(self, topic: str, data: bytes, text: bool) -> None:
        writer = self.writer
        if writer is None or writer.transport.get_write_buffer_size() > MOST_WAITING:
            self.lose(1)
            return
        kind = b"t" if text else b"b"
        writer.write(command(b"PUBLISH", PREFIX + topic.encode(), self.origin + kind + data))
        self.unanswered += 1

    def lose(self, number: int) -> None:
        self.lost += number
        self.unsaid += number

    def subscribe(self, topic: str) -> None:
        if self.writer is not None:
            self.writer.write(command(b"SUBSCRIBE", PREFIX + topic.encode()))

    def unsubscribe(self, topic: str) -> None:
        if self.writer is not None:
            self.writer.write(command(b"UNSUBSCRIBE", PREFIX + topic.encode()))

    # --- the connection

    async def run(self) -> None:
        wait, since = WAIT_LEAST, time.monotonic()
        while True:
            try:
                reader, writer = await asyncio.wait_for(self.connect(), CONNECT_SECONDS)
            except (OSError, RedisError, EOFError, TimeoutError) as error:
                if wait == WAIT_LEAST:
                    logger.error("Redis cannot be reached: %s; others hear nothing", told(error))
                await asyncio.sleep(wait * random.uniform(0.5, 1.5))  # noqa: S311
                wait = min(wait * 2, WAIT_MOST)
                continue
            self.connected(writer, since)
            wait = WAIT_LEAST
            try:
                await self.listen(reader, writer)
            except (OSError, RedisError, EOFError, TimeoutError, ValueError) as error:
                since = time.monotonic()
                logger.error("the connection to Redis is lost: %s", told(error))
            finally:
                self.writer = None
                self.lose(self.unanswered)
                self.unanswered = 0
                writer.transport.abort()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        parts = self.parts
        if parts.scheme == "unix":
            reader, writer = await asyncio.open_unix_connection(parts.path)
        else:
            tls = True if parts.scheme == "rediss" else None
            reader, writer = await asyncio.open_connection(parts.hostname or "localhost", parts.port or 6379, ssl=tls)
        try:
            user, password = unquote(parts.username or "default"), unquote(parts.password or "")
            words = [b"HELLO", b"3"] + ([b"AUTH", user.encode(), password.encode()] if password else [])
            writer.write(command(*words))
            answer = await read_reply(reader)
            if isinstance(answer, RedisError):
                raise answer  # noqa: TRY301
        except BaseException:
            writer.transport.abort()
            raise
        return reader, writer

    def connected(self, writer: asyncio.StreamWriter, since: float) -> None:
        self.writer = writer
        for topic in self.topics():
            self.subscribe(topic)
        if self.unsaid:
            logger.warning(
                "Redis is back after %.1f s: %d messages may not have reached other workers, nor theirs this one",
                time.monotonic() - since,
                self.unsaid,
            )
            self.unsaid = 0
        self.ready.set()

    async def listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pings = asyncio.get_running_loop().create_task(self.ping(writer))
        try:
            while True:
                async with asyncio.timeout(SILENT_SECONDS):
                    reply = await read_reply(reader)
                self.take(reply)
        finally:
            pings.cancel()

    async def ping(self, writer: asyncio.StreamWriter) -> None:
        while True:
            await asyncio.sleep(PING_SECONDS)
            writer.write(command(b"PING"))

    def take(self, reply: Any) -> None:
        if isinstance(reply, Push):
            if reply[0] == b"message" and not reply[2].startswith(self.origin):
                payload: bytes = reply[2]
                text = payload[ORIGIN_BYTES : ORIGIN_BYTES + 1] == b"t"
                self.deliver(reply[1][len(PREFIX) :].decode(), payload[ORIGIN_BYTES + 1 :], text)
        elif isinstance(reply, int):
            self.unanswered -= 1
        elif isinstance(reply, RedisError):
            self.unanswered = max(self.unanswered - 1, 0)
            self.lose(1)
            logger.error("Redis refuses: %s", reply)
