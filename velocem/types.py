"""The types of WSGI (PEP 3333), of ASGI (3.0) and of the native interface, for annotations."""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Protocol
from wsgiref.types import (
    ErrorStream,
    FileWrapper,
    InputStream,
    StartResponse,
    WSGIApplication,
    WSGIEnvironment,
)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApplication = Callable[[Scope, Receive, Send], Awaitable[None]]


class RunningWorker(Protocol):
    """What serves one application in one thread, whatever it speaks."""

    @property
    def wake_fd(self) -> int:
        """For signal.set_wakeup_fd()."""
        ...

    def run(self) -> None:
        """Serve in the calling thread until stopped."""
        ...

    def stop(self, *, retire: Sequence[int] = ()) -> None:
        """From any thread: let requests finish, then run() returns."""
        ...

    def kill(self) -> None:
        """From any thread: run() returns as soon as the application gives control back."""
        ...

    def stats(self) -> dict[str, int]:
        """Counters since the start, by name."""
        ...


Application = WSGIApplication | ASGIApplication

# Of the native interface: status, headers, the body, which is bytes or an async iterator of bytes, and perhaps what is
# to be called when it is over, whatever came of it: it may give a coroutine, which is run.
Reply = tuple[int, Sequence[tuple[bytes, bytes]], Any] | tuple[int, Sequence[tuple[bytes, bytes]], Any, Any]

__all__ = [
    "ASGIApplication",
    "Application",
    "ErrorStream",
    "FileWrapper",
    "InputStream",
    "Message",
    "Receive",
    "Reply",
    "RunningWorker",
    "Scope",
    "Send",
    "StartResponse",
    "WSGIApplication",
    "WSGIEnvironment",
]
