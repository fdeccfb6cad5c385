"""Telling systemd how the service is (sd_notify(3), for Type=notify and Type=notify-reload)."""

import os
import socket
import time
from contextlib import suppress


def ready() -> None:
    send("READY=1")


def reloading() -> None:
    """Until ready() is called again."""
    send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


def stopping() -> None:
    send("STOPPING=1")


def send(state: str) -> None:
    """Without a manager that wants to know, nothing."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
