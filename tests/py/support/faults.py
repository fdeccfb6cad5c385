"""What the fault tests share: how they start a server, and look at its processes."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from support.load import Figure
from support.process import Process

# tell(figure): print it, and keep it for the table.
Tell = Callable[[Figure | str], None]


class Start(Protocol):
    """start(source, *options): the application of this source, served until the test ends."""

    def __call__(self, source: str, *options: str) -> Process: ...


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)


def children_of(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def workers_of(process: Process) -> set[int]:
    return children_of(process.popen.pid)


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def is_alive(pid: int) -> bool:
    """Not one that has only not been reaped yet."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
