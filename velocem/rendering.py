"""Results into responses, by the rules of the core, where a hook or a clean-up needs the response in Python."""

import inspect
import typing
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from velocem import binding
from velocem.events import EVENT_STREAM, FIELDS, EventChunks, event_of, is_events
from velocem.pipeline import in_thread
from velocem.responses import BYTES, JSON, TEXT, Chunks, Response, chunk_of, line_of, piece_of

JSON_LINES = "application/jsonl"
ITERATORS = (AsyncIterator, AsyncGenerator, AsyncIterable, Iterator, Generator, Iterable)


@dataclass(frozen=True, slots=True)
class Rendering:
    """What is known of a route's results before there are any."""

    status: int = 200
    encode: Callable[[Any], bytes] | None = None
    stream_type: str = TEXT
    piece: Callable[[Any], bytes] = piece_of
    blocking: bool = False  # pieces of a generator that is not async are made in a thread
    events: bool = False

    def __call__(self, value: Any) -> Response:
        """The response to what a handler returned."""
        if isinstance(value, Response):
            return value
        if self.encode is not None:
            return Response(self.encode(value), self.status, content_type=JSON)
        if type(value) is tuple:
            return self.of_tuple(cast("Any", value))
        return self.of_value(value)

    def of_tuple(self, value: tuple[Any, ...]) -> Response:
        """A body with a status, and with header fields."""
        if not 2 <= len(value) <= 3 or not isinstance(value[1], int):
            raise TypeError(f"a tuple is (body, status) or (body, status, headers), not {value!r:.200}")
        response = self.of_value(value[0], value[1])
        if len(value) == 3:
            given = Response(headers=value[2]).headers
            if "content-type" in given:
                response.headers.pop("content-type", None)
            response.headers.pairs += given.pairs
        return response

    def of_value(self, value: Any, status: int | None = None) -> Response:
        known = self.status if status is None else status
        if isinstance(value, Response):
            value.status = known
            return value
        if value is None:
            return Response(b"", 204 if known == 200 and status is None else known)
        if isinstance(value, str):
            return Response(value, known)
        if isinstance(value, bytes | bytearray | memoryview):
            return Response(bytes(cast("bytes", value)), known, content_type=BYTES)
        if inspect.isgenerator(value) or inspect.isasyncgen(value):
            return self.of_stream(value, known)
        return Response(binding.encode(value), known, content_type=JSON)

    def of_stream(self, value: Any, status: int) -> Response:
        response = Response(b"", status, content_type=self.stream_type)
        if self.events:
            response.headers.pairs += FIELDS
            response.body = EventChunks(value, self.piece)
            return response
        threads = self.blocking and inspect.isgenerator(value)
        response.body = ThreadChunks(value, self.piece) if threads else Chunks(value, self.piece)
        return response


class ThreadChunks(Chunks):
    """Those of a generator that blocks."""

    __slots__ = ()

    async def __anext__(self) -> bytes:
        end = object()
        item = await in_thread(next, self.source, end)
        if item is end:
            raise StopAsyncIteration
        return self.convert(item)

    async def aclose(self) -> None:
        await in_thread(self.source.close)


def rendering(returns: Any, status: int, *, blocking: bool) -> Rendering:
    """By the return annotation of a handler."""
    bare, metadata = binding.unwrap(returns)
    if is_events(metadata):
        return Rendering(status, None, EVENT_STREAM, event_of, blocking, True)
    if typing.get_origin(bare) in ITERATORS:
        item = binding.unwrap(typing.get_args(bare)[0])[0]
        kind, piece = {str: (TEXT, chunk_of), bytes: (BYTES, chunk_of)}.get(item, (JSON_LINES, line_of))
        return Rendering(status, None, kind, piece, blocking)
    encode = None if returns is inspect.Signature.empty else binding.encoder(returns)
    return Rendering(status, encode, blocking=blocking)
