"""Where to listen, as users write it: host and port, Unix socket, inherited descriptor, or what systemd passes."""

import os
from dataclasses import dataclass, replace
from typing import Literal

from velocem.exceptions import ConfigError

FORMS = (
    "HOST:PORT, :PORT, [IPV6]:PORT, unix:PATH, unix:@NAME, fd://NUMBER or systemd, "
    "or one of these behind uwsgi:// or uwsgi+"
)

DEFAULT_PORT = 8000

Protocol = Literal["http", "uwsgi"]

# sun_path holds 108 bytes; the last is the NUL of a path, the first the NUL of an abstract name (unix(7)).
UNIX_PATH_MAX = 107


@dataclass(frozen=True, slots=True)
class Tcp:
    """Every address of a host; the empty host is every address of this machine."""

    host: str
    port: int
    protocol: Protocol = "http"

    def __str__(self) -> str:
        return f"{'' if self.protocol == 'http' else 'uwsgi://'}{show_host(self.host)}:{self.port}"


@dataclass(frozen=True, slots=True)
class Unix:
    """A socket in the file system, or with "@" in front one in Linux's abstract name space."""

    path: str
    protocol: Protocol = "http"

    @property
    def is_abstract(self) -> bool:
        return self.path.startswith("@")

    def __str__(self) -> str:
        return f"{prefix(self.protocol)}unix:{self.path}"


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A descriptor that listens already, handed down by the parent."""

    number: int
    protocol: Protocol = "http"

    def __str__(self) -> str:
        return f"{prefix(self.protocol)}fd://{self.number}"


@dataclass(frozen=True, slots=True)
class Systemd:
    """Every descriptor that systemd has passed, or those of one name (FileDescriptorName=)."""

    name: str = ""
    protocol: Protocol = "http"

    def __str__(self) -> str:
        return prefix(self.protocol) + (f"systemd:{self.name}" if self.name else "systemd")


Place = Tcp | Unix | Descriptor | Systemd


def show_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host or "*"


def prefix(protocol: Protocol) -> str:
    return "" if protocol == "http" else f"{protocol}+"


def parse(text: str) -> Place:
    """Raises ConfigError, or ValueError when the text has none of the forms."""
    for mark in ("uwsgi://", "uwsgi+"):
        if text.startswith(mark):
            return replace(parse_plain(text.removeprefix(mark)), protocol="uwsgi")
    return parse_plain(text)


def parse_plain(text: str) -> Place:
    """Without what is spoken there."""
    kind, colon, rest = text.partition(":")
    match kind:
        case "unix" if colon:
            return unix(rest.removeprefix("//"))
        case "fd" if rest.startswith("//"):
            return Descriptor(number(rest[2:], 1 << 20))
        case "systemd" if not colon or rest:
            return Systemd(rest)
        case "tcp" if rest.startswith("//"):
            return tcp(rest[2:])
        case _:
            return tcp(text)


def unix(path: str) -> Unix:
    place = Unix(path)
    if path in ("", "@"):
        raise ConfigError(f"{str(place)!r} has no path")
    if len(os.fsencode(path)) > UNIX_PATH_MAX + place.is_abstract:
        raise ConfigError(f"the path of {str(place)!r} is longer than the {UNIX_PATH_MAX} bytes that the system takes")
    return place


def tcp(text: str) -> Tcp:
    """HOST, HOST:PORT, [IPV6], [IPV6]:PORT."""
    host, port = text, str(DEFAULT_PORT)
    if "/" in text:
        raise ValueError
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        if not bracket or ":" not in host or (port and not port.startswith(":")):
            raise ValueError
        port = port[1:] if port else str(DEFAULT_PORT)
    elif text.count(":") > 1:
        raise ConfigError(f"{text!r}: an IPv6 address stands in brackets, as [::1]:8000")
    elif ":" in text:
        host, _, port = text.partition(":")
    if not (host or ":" in text) or host.isdigit():
        raise ValueError
    return Tcp(host, number(port, 65535))


def number(text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > most:
        raise ValueError
    return int(text)
