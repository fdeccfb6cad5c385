"""The programs of bench/, built with sanitizers, and servers that do as they are told."""

import json
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
BENCH = ROOT / "bench"
CFLAGS = ["-std=gnu17", "-D_GNU_SOURCE", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
Handler = Callable[[socket.socket], None]


@dataclass(frozen=True)
class Programs:
    """The two programs, and a folder for what they read."""

    folder: Path

    def file(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path

    def load(self, port: int, request: bytes, *options: object, body: bytes | None = None) -> dict[str, Any]:
        """What the load generator printed."""
        words: list[object] = [self.folder / "load", "--port", port, "--request", self.file("request", request)]
        if body is not None:
            words += ["--expect", self.file("expect", body)]
        words += ["--warm", 0.05, "--time", 0.3, *options]
        result = subprocess.run([*map(str, words)], capture_output=True, text=True, check=False, timeout=60)
        assert result.returncode == 0, result.stderr
        printed: dict[str, Any] = json.loads(result.stdout)
        return printed

    @contextmanager
    def limit(self, *options: object) -> Iterator[tuple[int, int]]:
        """Its port and its pid."""
        port = free_port()
        process = subprocess.Popen([str(self.folder / "limit"), "--port", str(port), *map(str, options)])
        try:
            wait_for(port)
            yield port, process.pid
        finally:
            process.terminate()
            process.wait()


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def wait_for(port: int) -> None:
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=10).close()
        except ConnectionRefusedError:
            threading.Event().wait(0.02)
        else:
            return
    pytest.fail("it does not listen")


def build(folder: Path) -> Programs:
    compiler = os.environ.get("CC", "cc")
    sources = {"load": sorted((BENCH / "load").glob("*.c")), "limit": [BENCH / "limit.c"]}
    for name, files in sources.items():
        subprocess.run([compiler, *CFLAGS, f"-I{BENCH}", "-o", folder / name, *files, "-lpthread"], check=True)
    return Programs(folder)


class Scripted:
    """Servers that hand each connection to a function, in a thread."""

    def __init__(self) -> None:
        self.listeners: list[socket.socket] = []

    def __call__(self, handler: Handler) -> int:
        """Its port."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.listeners.append(listener)
        threading.Thread(target=self.accept, args=(listener, handler), daemon=True).start()
        return int(listener.getsockname()[1])

    def accept(self, listener: socket.socket, handler: Handler) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock, handler), daemon=True).start()

    def serve(self, sock: socket.socket, handler: Handler) -> None:
        with sock, suppress(OSError):
            handler(sock)

    def stop(self) -> None:
        for listener in self.listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
