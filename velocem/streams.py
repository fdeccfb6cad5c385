"""Bodies that are made while they are sent: driven until they end, their client goes, or the worker stops."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from velocem.events import EVENT_STREAM, FIELDS, event_bytes
from velocem.exceptions import ClientDisconnectedError
from velocem.responses import Response
from velocem.topics import MOST_WAITING, Hub, is_direct
from velocem.types import Receive
from velocem.types import Send as AsgiSend

Sender = Callable[[bytes], Awaitable[Any]]

BEAT = b":\n\n"
BEAT_SECONDS = 15.0
LEFT_SECONDS = 3.0


async def send_all(send: Sender, body: Any) -> None:
    """Send a body as it comes, and close it, however that ends."""
    watch = Watch(send, events=getattr(body, "events", False))
    try:
        watch.begin()
        run = getattr(body, "run", None)
        if run is not None:
            await run(send)
        else:
            async for piece in body:
                await send(piece)
                watch.sent += 1
                if watch.ended:
                    break
    except asyncio.CancelledError:
        if not watch.ended:
            raise
    finally:
        watch.close()
        close = getattr(body, "aclose", None)
        if close is not None:
            await close()


class Watch:
    """Who ends a stream that waits: its client, by going; the worker, by stopping, if it is one of events.

    And what is sent of events while nothing else is, so that proxies and clients see that it lives.
    """

    def __init__(self, send: Sender, *, events: bool) -> None:
        self.send = send
        self.events = events
        self.ended = False  # and the task has been cancelled for it
        self.closed = False
        self.task = asyncio.current_task()
        self.sent = 0
        self.over: asyncio.Future[bool | None] | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.beaten: asyncio.Future[Any] | None = None

    def begin(self) -> None:
        """Raises ClientDisconnectedError when the client has gone already."""
        over = getattr(self.send, "over", None)
        if over is not None:
            self.over = future = over()
            future.add_done_callback(self.told)
        if self.events:
            self.timer = asyncio.get_running_loop().call_later(BEAT_SECONDS, self.beat)

    def told(self, over: "asyncio.Future[bool | None]") -> None:
        if self.closed or over.cancelled():
            return
        if over.result() is None and not self.events:
            self.look_again(-1)
        elif self.events or not over.result():
            self.end()

    def end(self) -> None:
        self.ended = True
        if self.task is not None:
            self.task.cancel()

    def look_again(self, sent: int) -> None:
        """One who has ended its side may still read, or is gone and never tells: a stream that stands still ends."""
        if sent == self.sent:
            self.end()
        else:
            self.timer = asyncio.get_running_loop().call_later(LEFT_SECONDS, self.look_again, self.sent)

    def beat(self) -> None:
        self.timer = asyncio.get_running_loop().call_later(BEAT_SECONDS, self.beat)
        if self.beaten is not None and not self.beaten.done():
            return  # it does not even take that
        try:
            waits = self.send(BEAT)
        except ClientDisconnectedError:
            return
        self.beaten = waits if isinstance(waits, asyncio.Future) else None
        if asyncio.iscoroutine(waits):
            self.beaten = asyncio.get_running_loop().create_task(waits)

    def close(self) -> None:
        self.closed = True
        if self.over is not None:
            self.over.cancel()
        if self.timer is not None:
            self.timer.cancel()
        if self.ended and self.task is not None:
            self.task.uncancel()
        close = getattr(self.send, "close", None)
        if close is not None:
            close()


class AsgiSink:
    """Of another server: what sends the body of a response, and hears of its client."""

    def __init__(self, receive: Receive, send: AsgiSend) -> None:
        self.receive = receive
        self.raw_send = send
        self.listening: asyncio.Task[None] | None = None

    async def __call__(self, piece: bytes) -> None:
        await self.raw_send({"type": "http.response.body", "body": piece, "more_body": True})

    def over(self) -> "asyncio.Future[bool | None]":
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool | None] = loop.create_future()
        self.listening = loop.create_task(self.listen(future), name="the client of a stream")
        return future

    async def listen(self, future: "asyncio.Future[bool | None]") -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass
        if not future.done():
            future.set_result(False)

    def close(self) -> None:
        if self.listening is not None:
            self.listening.cancel()


# --- topics as events


class TopicStream:
    """The body of TopicEvents: written to by whoever publishes, without a step of its own for each."""

    events = True
    streams = 1

    def __init__(self, hub: Hub, topics: tuple[str, ...]) -> None:
        self.hub = hub
        self.topics = topics
        self.raw_send: Any = None
        self.end: asyncio.Future[None] | None = None
        self.waiting: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.size = 0
        self.late = False

    async def run(self, send: Sender) -> None:
        """Of send_all(): until it is cancelled, or too slow."""
        self.raw_send = send
        self.subscribe()
        if not is_direct(send):
            async for piece in self:
                await send(piece)
            return
        self.end = asyncio.get_running_loop().create_future()
        await self.end

    def subscribe(self) -> None:
        self.hub.subscribe(self.topics[0], self)
        for topic in self.topics[1:]:
            self.hub.subscribe(topic, self)

    def too_slow(self) -> None:
        """It waits in run(), or gets no further in __anext__()."""
        if self.end is not None and not self.end.done():
            self.end.set_exception(ClientDisconnectedError("the client takes too little"))

    def outbox(self) -> "TopicStream":
        """Where others put what is published."""
        return self

    def put(self, data: bytes, text: bool) -> None:
        """What is not text has no place in it. One who takes too little gets no more at all, and comes back."""
        if text and not self.late:
            self.late = self.size > MOST_WAITING
            self.waiting.put_nowait(None if self.late else event_bytes(data))
            self.size += len(data)

    def __aiter__(self) -> "TopicStream":
        return self

    async def __anext__(self) -> bytes:
        if self not in self.hub.of:
            self.subscribe()
        piece = await self.waiting.get()
        if piece is None:
            raise StopAsyncIteration
        self.size = max(self.size - len(piece), 0)
        return piece

    async def aclose(self) -> None:
        self.hub.leave(self)


class TopicEvents(Response):
    """What ``app.events(topic)`` gives: each message of the topics as an event, until the client goes."""

    def __init__(self, hub: Hub, topics: tuple[str, ...]) -> None:
        super().__init__(b"", content_type=EVENT_STREAM)
        self.stream = TopicStream(hub, topics)
        self.body = self.stream
        self.headers.pairs += FIELDS

    def __aiter__(self) -> AsyncIterator[Any]:
        return self.stream

    async def __anext__(self) -> Any:
        return await anext(self.stream)
