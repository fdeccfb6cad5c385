"""The answer of a call, whichever face has made it: its reply, taken apart for a server."""

import os
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from velocem._core import FileParts
from velocem.types import Reply

if TYPE_CHECKING:
    from velocem._core import Call

LARGEST_BODY = 1 << 30  # where neither a route nor Limits says less: as the server's own --limit-body
BODILESS = frozenset({204, 304})
FILE_BLOCK = 1 << 16


def bodiless(method: str, status: int) -> bool:
    return method == "HEAD" or status in BODILESS or status < 200


class Parts(NamedTuple):
    """Of a reply, with the length of a body that is there."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: Any  # bytes, or an async iterator of them
    after: Callable[[], Any] | None

    async def close(self) -> None:
        """However the response ended: a body that is a stream is closed, and what comes after is done."""
        try:
            if hasattr(self.body, "aclose"):
                await self.body.aclose()
        finally:
            if self.after is not None and (waits := self.after()) is not None:
                await waits


def parts_of(reply: Reply) -> Parts:
    status, headers, body = reply[0], list(reply[1]), reply[2]
    length = len(body) if isinstance(body, bytes) else body.length if isinstance(body, FileParts) else None
    known = status in BODILESS or status < 200 or any(name.lower() == b"content-length" for name, _ in headers)
    if length is not None and not known:
        headers.append((b"content-length", str(length).encode()))
    content = blocks_of(body) if isinstance(body, FileParts) else body
    return Parts(status, headers, content, reply[3] if len(reply) == 4 else None)


async def blocks_of(parts: FileParts) -> AsyncIterator[bytes]:
    """A file's, read as they are sent."""
    for part in parts:
        if isinstance(part, bytes):
            yield part
            continue
        at, end = part[0], sum(part)
        while at < end:
            block = os.pread(parts.fileno(), min(end - at, FILE_BLOCK), at)
            if not block:
                raise OSError("a file has become shorter while it was sent")
            yield block
            at += len(block)


async def answer(call: "Call", body: bytes) -> Reply:
    """The reply of a call, whatever its handler does; CancelledError goes through."""
    if call.reply is None and len(body) > limit_of(call):
        call.refuse(413)
    coroutine = call.start(body) if call.reply is None else None
    if coroutine is not None:
        try:
            result = await coroutine
        except Exception as error:  # noqa: BLE001
            call.fail(error)
        else:
            call.finish(result)
    reply: Reply | None = call.reply
    if reply is None:
        raise RuntimeError("the core has not answered")
    return reply


def limit_of(call: "Call") -> int:
    return call.body_limit if call.body_limit >= 0 else LARGEST_BODY
