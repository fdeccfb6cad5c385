"""What is done to every request without Python: ``app.use(Cors([...]), Compress(), RequestId(), Limits("2MB"))``."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from velocem.uploads import FormLimits

UNITS = {"": 1, "b": 1, "kb": 1 << 10, "k": 1 << 10, "mb": 1 << 20, "m": 1 << 20, "gb": 1 << 30, "g": 1 << 30}
SIZE = re.compile(r"(\d+)\s*([kmg]?b?)", re.IGNORECASE)


def size(value: int | str) -> int:
    """Bytes, of a number or of text as "64k" or "2MB", of 1024. ValueError for anything else."""
    if isinstance(value, int) and value >= 0:
        return value
    found = SIZE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"a size is bytes, or text as 64k or 2MB, not {value!r}")
    return int(found[1]) * UNITS[found[2].lower()]


class Policy(Protocol):
    """Something that the core does, told to it in plain values."""

    def told(self) -> Mapping[str, Any]:
        """For the core: flat, and immutable."""
        ...


@dataclass(frozen=True)
class Cors:
    """Cross-origin requests of browsers (the Fetch standard): which origins may read the responses.

    ``origins`` are as browsers send them, ``https://example.com``, or ``["*"]`` for all. ``methods`` and ``headers``
    are what a preflight may ask for; ``headers=["*"]`` allows what it asks. ``expose`` are response fields that
    scripts may read, ``max_age`` the seconds for which a browser need not ask again. With ``credentials`` cookies are
    sent too, which no wildcard goes with: ValueError.
    """

    origins: Iterable[str]
    methods: Iterable[str] = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
    headers: Iterable[str] = ("*",)
    expose: Iterable[str] = ()
    credentials: bool = False
    max_age: int = 600

    def __post_init__(self) -> None:
        origins = several("origins", self.origins)
        if self.credentials and "*" in origins:
            raise ValueError("credentials go to origins that are named, not to all of them")
        for origin in origins:
            if origin != "*" and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/?#\s]+|null", origin):
                raise ValueError(
                    f"{origin!r} is no origin: scheme, host and port, in lower case, as https://example.com"
                )

    def told(self) -> Mapping[str, Any]:
        """For the core."""
        return {
            "cors_origins": tuple(one.encode("latin-1") for one in several("origins", self.origins)),
            "cors_methods": joined("methods", self.methods),
            "cors_headers": joined("headers", self.headers),
            "cors_expose": joined("expose", self.expose),
            "cors_credentials": self.credentials,
            "cors_max_age": self.max_age,
        }


@dataclass(frozen=True)
class Compress:
    """Bodies of at least ``min_size`` bytes as gzip, to clients that take it. ``level`` is 1 (fast) to 9 (small).

    ``types`` are media types that become smaller, whole or ending in ``/`` for all of a kind.
    """

    min_size: int | str = 1024
    level: int = 6
    types: Iterable[str] = field(
        default=("text/", "application/json", "application/problem+json", "application/javascript", "image/svg+xml")
    )

    def __post_init__(self) -> None:
        if not 1 <= self.level <= 9:
            raise ValueError(f"a level is 1 to 9, not {self.level}")
        size(self.min_size)

    def told(self) -> Mapping[str, Any]:
        """For the core."""
        return {
            "compress_min": size(self.min_size),
            "compress_level": self.level,
            "compress_types": tuple(one.lower().encode("latin-1") for one in several("types", self.types)),
        }


@dataclass(frozen=True)
class RequestId:
    """A name for each request, in the response and in ``Request.state["request_id"]``.

    ``trust`` takes the one that the request brings, if it is 1 to 128 letters, digits, dots, dashes and underscores.
    """

    header: str = "x-request-id"
    trust: bool = False

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", self.header):
            raise ValueError(f"{self.header!r} is no name of a field")

    def told(self) -> Mapping[str, Any]:
        """For the core."""
        return {"request_id": self.header.lower().encode("latin-1"), "request_id_trust": self.trust}


@dataclass(frozen=True)
class Limits:
    """``body``: the most bytes of a body, as "2MB", for routes that say no ``body_limit`` themselves; more is a 413.

    Of multipart forms: ``parts`` they have at most, bytes of all their text in ``fields``, of each ``file``.
    """

    body: int | str
    parts: int = 1000
    fields: int | str = "1MB"
    file: int | str | None = None

    def __post_init__(self) -> None:
        for value in (self.body, self.fields, 0 if self.file is None else self.file):
            size(value)

    def of_forms(self) -> FormLimits:
        """For the package."""
        return FormLimits(self.parts, size(self.fields), None if self.file is None else size(self.file))

    def told(self) -> Mapping[str, Any]:
        """For the core."""
        return {"body_limit": size(self.body)}


def several(what: str, values: Iterable[str]) -> tuple[str, ...]:
    """Text would be taken letter by letter."""
    if isinstance(values, str):
        raise TypeError(f"{what} are several: [{values!r}]")
    return tuple(values)


def joined(what: str, values: Iterable[str]) -> bytes:
    words = several(what, values)
    for word in words:
        if not word.isascii() or any(not 32 < ord(letter) < 127 or letter == "," for letter in word):
            raise ValueError(f"{word!r} is none of {what}")
    return ", ".join(words).encode("latin-1")
