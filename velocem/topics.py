"""Topics: what is published under a name is sent to everyone of this worker who has subscribed to it."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from velocem._core import fan_out
from velocem.events import event_bytes
from velocem.logging import logger
from velocem.pubsub import Bus

if TYPE_CHECKING:
    from velocem.websocket import WebSocket

MOST_WAITING = 1 << 20  # bytes that wait for one subscriber; with more it is dropped
TRY_LATER = 1013


class Subscriber(Protocol):
    """A WebSocket, or the events of a topic."""

    raw_send: Any

    def too_slow(self) -> None:
        """It has been dropped, or is to drop itself."""
        ...


@dataclass(slots=True)
class Topic:
    """Its subscribers: what C sends by, and queues of those that other servers send to."""

    direct: dict[Any, Any] = field(default_factory=dict[Any, Any])
    queued: dict[Any, "Outbox"] = field(default_factory=dict[Any, "Outbox"])
    streams: int = 0

    def __bool__(self) -> bool:
        return bool(self.direct or self.queued)


def is_direct(send: Any) -> bool:
    """Whether it is this server's own, and not wrapped by anybody."""
    return type(send).__module__ == "velocem._core"


class Outbox:
    """What waits for a WebSocket of another server, and the task that sends it."""

    def __init__(self, socket: "WebSocket[Any, Any]") -> None:
        self.socket = socket
        self.waiting: deque[tuple[bytes, bool]] = deque()
        self.size = 0
        self.topics = 0
        self.task: asyncio.Task[None] | None = None

    def put(self, data: bytes, text: bool) -> None:
        if not self.socket.accepted or self.socket.closed:
            return
        if self.size > MOST_WAITING:
            self.drop()
            return
        self.waiting.append((data, text))
        self.size += len(data)
        if self.task is None or self.task.done():
            self.task = asyncio.get_running_loop().create_task(self.send(), name="messages of topics")

    async def send(self) -> None:
        while self.waiting:
            data, text = self.waiting.popleft()
            self.size -= len(data)
            try:
                await self.socket.send(data.decode() if text else data)
            except OSError:
                self.waiting.clear()
            except Exception:  # noqa: BLE001
                self.waiting.clear()
                logger.exception("a message of a topic could not be sent")

    def drop(self) -> None:
        """Its socket is closed with 1013, as soon as the message that is on its way lets it."""
        self.waiting.clear()
        self.size = 0
        sending, self.task = self.task, asyncio.get_running_loop().create_task(self.close(self.task))
        del sending

    async def close(self, sending: "asyncio.Task[None] | None") -> None:
        if sending is not None:
            sending.cancel()
        try:
            await self.socket.close(TRY_LATER, "too slow")
        except (OSError, RuntimeError):
            self.socket.closed = True


class Hub:
    """The topics of an application on one loop."""

    def __init__(self, url: str | None = None) -> None:
        self.topics: dict[str, Topic] = {}
        self.of: dict[Any, set[str]] = {}
        self.outboxes: dict[Any, Outbox] = {}
        self.bus = None if url is None else Bus(url, self.deliver)

    async def start(self) -> None:
        if self.bus is not None:
            await self.bus.start(lambda: self.topics)

    async def stop(self) -> None:
        if self.bus is not None:
            await self.bus.stop()
        for outbox in self.outboxes.values():
            if outbox.task is not None:
                outbox.task.cancel()

    def subscribe(self, name: str, who: Any) -> None:
        mine = self.of.setdefault(who, set())
        if name in mine:
            return
        mine.add(name)
        if name not in self.topics:
            self.topics[name] = Topic()
            if self.bus is not None:
                self.bus.subscribe(name)
        topic = self.topics[name]
        if is_direct(who.raw_send):
            topic.direct[who.raw_send] = who
            topic.streams += who.streams
        else:
            if who not in self.outboxes:
                self.outboxes[who] = who.outbox()
            topic.queued[who] = self.outboxes[who]

    def unsubscribe(self, name: str, who: Any) -> None:
        mine = self.of.get(who, set())
        if name not in mine:
            return
        mine.discard(name)
        topic = self.topics[name]
        if topic.direct.pop(who.raw_send, None) is not None:
            topic.streams -= who.streams
        topic.queued.pop(who, None)
        if not topic:
            del self.topics[name]
            if self.bus is not None:
                self.bus.unsubscribe(name)

    def leave(self, who: Any) -> None:
        """It is over."""
        for name in list(self.of.get(who, ())):
            self.unsubscribe(name, who)
        self.of.pop(who, None)
        self.outboxes.pop(who, None)

    def publish(self, name: str, data: bytes, text: bool) -> None:
        """To the subscribers here, and to those of other workers."""
        self.deliver(name, data, text)
        if self.bus is not None:
            self.bus.publish(name, data, text)

    def deliver(self, name: str, data: bytes, text: bool) -> None:
        """To the subscribers here."""
        topic = self.topics.get(name)
        if topic is None:
            return
        if topic.direct:
            events = event_bytes(data) if topic.streams and text else None
            for slow in fan_out(topic.direct, data, text, events, MOST_WAITING):
                slow.too_slow()
                self.leave(slow)
        for outbox in list(topic.queued.values()):
            outbox.put(data, text)
