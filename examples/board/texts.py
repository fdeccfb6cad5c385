"""How values become text in the templates."""

import re
import time
import zlib
from datetime import UTC, datetime

from flask import Flask
from markupsafe import Markup, escape

TONES = 6
LINK = re.compile(r"https?://[^\s<>\"]+[^\s<>\".,;:!?)]")
UNITS = [(86400, "day"), (3600, "hour"), (60, "minute")]
A_WEEK = 7 * 86400


def ago(posted: int) -> str:
    """As people say it: 5 minutes ago; the date when it is long past."""
    seconds = int(time.time()) - posted
    if seconds >= A_WEEK:
        return datetime.fromtimestamp(posted, UTC).strftime("%-d %B %Y")
    for size, name in UNITS:
        if seconds >= size:
            number = seconds // size
            return f"{number} {name}{'s' if number > 1 else ''} ago"
    return "just now"


def iso(posted: int) -> str:
    return datetime.fromtimestamp(posted, UTC).isoformat().replace("+00:00", "Z")


def rich(text: str, query: str = "") -> Markup:
    """Escaped, with links that can be followed and what was searched for marked."""
    parts: list[Markup] = []
    at = 0
    for link in LINK.finditer(text):
        parts.append(marked(text[at : link.start()], query))
        parts.append(Markup('<a href="{0}" rel="nofollow noopener">{0}</a>').format(link[0]))
        at = link.end()
    return Markup().join([*parts, marked(text[at:], query)])


def marked(text: str, query: str) -> Markup:
    if not query:
        return escape(text)
    pieces = re.split(f"({re.escape(query)})", text, flags=re.IGNORECASE)
    # Every second piece is a match.
    return Markup().join(Markup("<mark>{}</mark>").format(p) if i % 2 else escape(p) for i, p in enumerate(pieces))


def tone(author: str) -> int:
    """Which of the colours stands for an author, the same every time."""
    return zlib.crc32(author.casefold().encode()) % TONES


def initial(author: str) -> str:
    return author[:1].upper()


def register(app: Flask) -> None:
    for filter_ in (ago, iso, rich, marked, tone, initial):
        app.add_template_filter(filter_)
