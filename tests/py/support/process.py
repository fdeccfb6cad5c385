"""The command in a process of its own."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

START_LINE = re.compile(r"Velocem \S+ serving .+ \((?:wsgi|asgi|native)[^)]*\) on (.+) \(pid \d+\)")

# Of the interpreter in development mode: what was not closed or not awaited, which cannot be raised any more.
COMPLAINT = re.compile("Exception ignored|ResourceWarning|was never awaited")


def environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """Without options that the caller's environment may hold."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VELOCEM_", "WEB_CONC"))}
    return kept | {"PYTHONUNBUFFERED": "1"} | (extra or {})


def command(*arguments: str, cwd: Path, env: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    """Run a command that ends by itself."""
    line = [sys.executable, "-m", "velocem", *arguments]
    return subprocess.run(line, cwd=cwd, env=environment(env), capture_output=True, text=True, timeout=60, check=False)


class Process:
    """A command that serves: started, and at its start-up line when the with block begins."""

    def __init__(
        self, *arguments: str, cwd: Path, env: dict[str, str] | None = None, starter: Sequence[str] = ()
    ) -> None:
        """starter: what is run instead, and becomes the command with these arguments."""
        self.popen = subprocess.Popen(
            [*(starter or [sys.executable, "-m", "velocem"]), *arguments],
            cwd=cwd,
            env=environment(env),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.errors: list[str] = []
        self.output: list[str] = []
        self.started = threading.Event()
        self.interrupted = False  # in whatever it did
        self.urls: list[str] = []
        self.address = ("", 0)  # of the first, if it has a port
        self.readers = [threading.Thread(target=self._read_errors), threading.Thread(target=self._read_output)]
        for reader in self.readers:
            reader.start()

    def _read_errors(self) -> None:
        assert self.popen.stderr is not None
        for line in self.popen.stderr:
            self.errors.append(line)
            if match := START_LINE.search(line):
                self.urls = match[1].split(" and ")
                if self.urls[0].startswith("http://"):
                    host, _, port = self.urls[0].removeprefix("http://").rpartition(":")
                    self.address = (host.strip("[]"), int(port))
                self.started.set()
        self.started.set()

    def _read_output(self) -> None:
        assert self.popen.stdout is not None
        self.output.extend(self.popen.stdout)

    def __enter__(self) -> Self:
        self.started.wait(30)
        if not self.urls:
            self.popen.kill()
            raise AssertionError(f"it did not start: {''.join(self.errors)}")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.popen.kill()
        self.wait()

    def send(self, number: signal.Signals) -> None:
        self.interrupted |= number == signal.SIGINT
        self.popen.send_signal(number)

    def wait(self, timeout: float = 30) -> int:
        """The exit status, once everything it wrote has been read."""
        status = self.popen.wait(timeout)
        for reader in self.readers:
            reader.join()
        for pipe in (self.popen.stdout, self.popen.stderr):
            assert pipe is not None
            pipe.close()
        if sys.flags.dev_mode and not self.interrupted:  # which the command inherits
            complaints = [line for line in self.errors if COMPLAINT.search(line)]
            assert not complaints, "".join(self.errors)
        return status
