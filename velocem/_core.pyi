# The face of the C extension.
from collections.abc import Callable, Sequence
from typing import Literal, final

from velocem.types import WSGIApplication

def process_title(title: str, /) -> None:
    """What ps and top show for this process; cut to the place there is."""

def die_with_parent(signal: int, /) -> None:
    """Get the signal when the thread that forked this process ends; 0 takes it back."""

@final
class Worker:
    """One loop with its listening sockets and one application."""

    def __init__(
        self,
        app: WSGIApplication,
        *,
        # Descriptor of a listening, non-blocking socket; SERVER_NAME; SERVER_PORT. Descriptors stay the caller's.
        sockets: Sequence[tuple[int, str, str]],
        # Logging level, message, exception.
        log: Callable[[int, str, BaseException | None], None],
        limit_target: int = ...,
        limit_head: int = ...,
        limit_fields: int = ...,
        limit_field: int = ...,
        limit_body: int = ...,
        limit_trailers: int = ...,
        limit_chunk_ext: int = ...,
        # Seconds; 0 is none.
        timeout_header: float = ...,
        timeout_body: float = ...,
        timeout_keep_alive: float = ...,
        timeout_write: float = ...,
        timeout_graceful: float = ...,
        # Bytes per second; 0 is none.
        min_body_rate: int = ...,
        # Bytes of a request body held in memory before a temporary file.
        body_memory: int = ...,
        server_header: str | None = ...,
        date_header: bool = ...,
        # -1: no access log.
        access_fd: int = ...,
        access_format: Literal["common", "combined", "json"] = ...,
        multithread: bool = False,
        multiprocess: bool = False,
    ) -> None: ...
    def run(self) -> None:
        """Serve in the calling thread until stopped."""

    def stop(self, *, retire: Sequence[int] = ()) -> None:
        """From any thread: no new connections, idle ones closed, running requests finish, then run() returns.

        Nobody is to go on listening on the sockets in retire: connections that the kernel has made on them are served
        first, then they refuse new ones, in every process that holds them. The queue of any other socket is left alone.
        """

    def kill(self) -> None:
        """From any thread: run() returns as soon as the application gives control back."""

    @property
    def wake_fd(self) -> int:
        """The descriptor for signal.set_wakeup_fd()."""

    def stats(self) -> dict[str, int]:
        """Counters since the start: accepted, requests, refused, aborted, open, log_lines_dropped."""
