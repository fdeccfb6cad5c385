"""Server-sent events (the HTML standard, 9.2): what a handler of ``-> EventStream[T]`` yields, as it is sent."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from velocem import binding
from velocem.responses import Chunks

T = TypeVar("T")

EVENT_STREAM = "text/event-stream"
# Proxies are not to keep what is meant for now: nginx by the second of these.
FIELDS = (("cache-control", "no-store"), ("x-accel-buffering", "no"))


class Nothing:
    """In the place of data that an event has not."""


NOTHING = Nothing()


@dataclass(frozen=True, slots=True)
class Event:
    """An event with more than its data: ``yield Event(tick, id="7", event="tick")``.

    ``data`` is text as it is, or anything else as JSON. ``id`` comes back as Last-Event-ID when the client connects
    again, ``event`` is the name that it listens to, ``retry`` the milliseconds that it waits before. ``comment`` is for
    nobody. ValueError for an id or a name with a line break.
    """

    data: Any = NOTHING
    id: str | None = None
    event: str | None = None
    retry: int | None = None
    comment: str | None = None

    def __post_init__(self) -> None:
        for name, value in (("id", self.id), ("event", self.event), ("comment", self.comment)):
            if value is not None and any(letter in value for letter in "\r\n\0"):
                raise ValueError(f"{name} is one line, not {value!r}")
        if self.retry is not None and self.retry < 0:
            raise ValueError(f"retry is milliseconds, not {self.retry}")


class Events:
    """The mark of EventStream."""


EventStream = Annotated[AsyncIterator[T | Event], Events()]
"""What a handler returns that yields events: values of T, each sent as the data of one, or Event.

The response says that nobody is to store or buffer it, and has a comment now and then so that nobody thinks it dead. It
ends when the client is gone, or the worker stops: the generator then hears a CancelledError where it waits.
"""


def is_events(metadata: tuple[Any, ...]) -> bool:
    """Whether an annotation was EventStream."""
    return any(isinstance(about, Events) for about in metadata)


def event_of(item: Any) -> bytes:
    """As it is on the wire."""
    if not isinstance(item, Event):
        return event_bytes(item.encode() if isinstance(item, str) else binding.encode(item))
    lines = [] if item.comment is None else [f": {item.comment}\n"]
    lines += [f"{name}: {value}\n" for name in ("id", "event", "retry") if (value := getattr(item, name)) is not None]
    head = "".join(lines).encode()
    if item.data is NOTHING:
        return head + b"\n"
    return head + event_bytes(item.data.encode() if isinstance(item.data, str) else binding.encode(item.data))


def event_bytes(data: bytes) -> bytes:
    """Of data alone: a field for each of its lines."""
    if b"\n" not in data and b"\r" not in data:
        return b"data: " + data + b"\n\n"
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return b"".join(b"data: " + line + b"\n" for line in lines) + b"\n"


class EventChunks(Chunks):
    """Those of a generator of events, which would never end by itself."""

    __slots__ = ()
    events = True
