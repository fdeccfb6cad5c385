"""Folders of files below a path, which the core answers without Python."""

import mimetypes
import re
from dataclasses import dataclass
from os import PathLike

from velocem._core import Static

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}
# What the standard library's table has not, or not in every version.
TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".woff2": "font/woff2", ".webp": "image/webp"} | {
    ".avif": "image/avif",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".map": "application/json",
}
TEXTUAL = re.compile(r"text/|application/(json|javascript|manifest\+json|xml)|image/svg")


@dataclass(frozen=True, slots=True, eq=False)
class Folder:
    """As it was written."""

    prefix: str
    static: Static
    host: str
    place: str


def cache_control(cache: str | int) -> bytes:
    """Of a time as "1y", "90d", "10m", of seconds, or of what Cache-Control is to say. ValueError for a bad time."""
    if isinstance(cache, str) and not re.fullmatch(r"\d+[a-z]?", cache):
        return cache.encode("latin-1")
    found = re.fullmatch(r"(\d+)([smhdwy]?)", str(cache))
    if found is None:
        raise ValueError(f"a time is seconds, or as 10m, 90d or 1y, not {cache!r}")
    return b"public, max-age=%d" % (int(found[1]) * UNITS[found[2] or "s"])


def types() -> dict[str, bytes]:
    """Media types by extension, text as UTF-8."""
    found = {**mimetypes.types_map, **TYPES}
    return {
        name[1:].lower(): (kind + ("; charset=utf-8" if TEXTUAL.match(kind) else "")).encode("latin-1")
        for name, kind in found.items()
    }


def static(
    root: str | PathLike[str],
    *,
    cache: str | int = "",
    precompressed: bool = False,
    index: str = "",
    spa: str = "",
    links: bool = False,
    dotfiles: bool = False,
) -> Static:
    """OSError for a folder that is none."""
    return Static(
        root,
        cache=cache_control(cache) if cache != "" else b"",
        precompressed=precompressed,
        index=index,
        spa=spa,
        links=links,
        dotfiles=dotfiles,
        types=types(),
    )
