"""A network of its own behind one cable, which can be cut: whoever is there vanishes without a word."""

import ctypes
import os
import shutil
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from support.client import Client

CLONE_NEWNET = 0x40000000


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


class Island:
    """The with block has it. Skips where one may not make networks."""

    def __init__(self) -> None:
        number = os.getpid() % (1 << 14)
        self.name = f"velocem{os.getpid()}"
        self.cable = f"vel{number}a", f"vel{number}b"
        first = number << 2  # four addresses of 198.18.0.0/16, which is for tests of networks (RFC 2544)
        self.ours, self.theirs = (f"198.18.{first >> 8 & 255}.{(first & 255) + last}" for last in (1, 2))

    def __enter__(self) -> Self:
        if shutil.which("ip") is None or os.geteuid() != 0:
            pytest.skip("networks are made by root, and by ip of iproute2")
        try:
            ip("netns", "add", self.name)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network of its own here: {error.stderr.strip()}")
        try:
            self.lay()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for words in (["link", "del", self.cable[0]], ["netns", "del", self.name]):
            with suppress(subprocess.CalledProcessError):
                ip(*words)

    def lay(self) -> None:
        near, far = self.cable
        ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", self.name)
        ip("addr", "add", f"{self.ours}/30", "dev", near)
        ip("link", "set", near, "up")
        ip("-n", self.name, "addr", "add", f"{self.theirs}/30", "dev", far)
        ip("-n", self.name, "link", "set", far, "up")

    def cut(self) -> None:
        """At the far end: here everything looks as it was, and nothing comes back."""
        ip("-n", self.name, "link", "set", self.cable[1], "down")

    def connect(self, address: tuple[str, int], count: int) -> list[Client]:
        """Clients from there. A namespace is a thread's, and a socket stays in the one that it was made in."""
        clients: list[Client] = []
        failures: list[BaseException] = []

        def make() -> None:
            try:
                with Path(f"/run/netns/{self.name}").open() as file:
                    assert ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET) == 0
                clients.extend(Client(address) for _ in range(count))
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        if failures:
            raise failures[0]
        return clients
