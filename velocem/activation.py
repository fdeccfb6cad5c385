"""Socket activation: the descriptors that systemd has passed to this process (sd_listen_fds(3))."""

import os
from typing import NamedTuple

from velocem.exceptions import StartError

FIRST = 3
VARIABLES = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDNAMES")


class Passed(NamedTuple):
    """One descriptor, with the name that its unit file gives it (FileDescriptorName=)."""

    fd: int
    name: str


def is_for_us() -> bool:
    """Whether descriptors were passed, and to this process and not to one that it descends from."""
    return os.environ.get("LISTEN_PID") == str(os.getpid()) and os.environ.get("LISTEN_FDS", "0") != "0"


def take() -> list[Passed]:
    """All of them. The variables go, lest children take them for theirs."""
    if not is_for_us():
        raise StartError(f"cannot listen on what systemd passes: {why_not()}")
    count, names = os.environ["LISTEN_FDS"], os.environ.get("LISTEN_FDNAMES", "").split(":")
    for variable in VARIABLES:
        os.environ.pop(variable, None)
    if not (count.isascii() and count.isdigit()):
        raise StartError(f"cannot listen on what systemd passes: LISTEN_FDS is {count!r}")
    if len(names) != int(count):
        names = ["unknown"] * int(count)
    return [Passed(FIRST + place, name) for place, name in enumerate(names)]


def why_not() -> str:
    if os.environ.get("LISTEN_FDS", "0") == "0":
        return "it has passed nothing"
    return f"it was passed to process {os.environ.get('LISTEN_PID', '')!r}, and this is {os.getpid()}"
