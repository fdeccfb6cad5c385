"""What a handler may return beside plain values: a response with its own status, fields and body."""

import mimetypes
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import datetime
from email.utils import format_datetime
from os import PathLike, fspath
from pathlib import Path
from typing import Any
from urllib.parse import quote

from velocem._core import FileBody
from velocem.exceptions import NotFound, title_of
from velocem.headers import Headers, Pairs, RawPairs

Stream = AsyncIterator[bytes]

TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
JSON = "application/json"
PROBLEM = "application/problem+json"
BYTES = "application/octet-stream"


class Response:
    """A body of text or bytes, or an iterator of either, with a status and header fields.

    Text is sent as UTF-8. ``content_type`` is text/plain for text and application/octet-stream for bytes unless it is
    given here or in ``headers``. A field that HTTP does not allow (a line break in a value) makes the response a 500,
    and is logged.
    """

    default_type: str | None = None

    def __init__(
        self,
        body: str | bytes | AsyncIterator[str | bytes] | Iterator[str | bytes] = b"",
        status: int = 200,
        headers: Pairs = (),
        *,
        content_type: str | None = None,
    ) -> None:
        self.status = status
        self.headers = Headers(headers)
        self.body: bytes | Stream | FileBody = make_body(body)
        kind = content_type or self.default_type or (TEXT if isinstance(body, str) else BYTES)
        if content_type:
            self.headers["content-type"] = kind
        elif (body or not isinstance(body, bytes)) and "content-type" not in self.headers:
            self.headers.add("content-type", kind)

    def set_cookie(
        self,
        name: str,
        value: str,
        *,
        max_age: int | None = None,
        expires: datetime | None = None,
        path: str = "/",
        domain: str | None = None,
        secure: bool = False,
        http_only: bool = True,
        same_site: str = "lax",
    ) -> None:
        """Add a cookie (RFC 6265). ``max_age`` is in seconds; ``same_site`` is strict, lax, none, or empty.

        ValueError for a name or a value that a cookie cannot have: values are ASCII without space, quote, comma,
        semicolon or backslash, so encode what may have them.
        """
        if not name or not set(name) <= TOKEN or not set(value) <= COOKIE_OCTETS:
            raise ValueError(f"no cookie can be {name}={value}")
        parts = [f"{name}={value}"]
        parts += [f"Max-Age={max_age}"] if max_age is not None else []
        parts += [f"Expires={format_datetime(expires, usegmt=True)}"] if expires else []
        parts += [f"Domain={domain}"] if domain else []
        parts += [f"Path={path}"] if path else []
        parts += ["Secure"] * secure + ["HttpOnly"] * http_only
        parts += [f"SameSite={same_site.capitalize()}"] if same_site else []
        self.headers.add("set-cookie", "; ".join(parts))

    def delete_cookie(self, name: str, *, path: str = "/", domain: str | None = None) -> None:
        """Have the client forget a cookie, of that path and domain."""
        self.set_cookie(name, "", max_age=0, path=path, domain=domain)

    def render(self) -> tuple[int, RawPairs, bytes | Stream | FileBody]:
        """For the core: status, fields and body."""
        return self.status, self.headers.raw(), self.body


LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
TOKEN = frozenset("!#$%&'*+-.^_`|~" + LETTERS)  # RFC 9110 5.6.2
COOKIE_OCTETS = frozenset("!#$%&'()*+-./:<=>?@[]^_`{|}~" + LETTERS)  # RFC 6265 4.1.1


class Html(Response):
    """A page: text/html; charset=utf-8."""

    default_type = HTML


class Redirect(Response):
    """To another address: ``Redirect("/login")``.

    The status is 303, by which the client asks for it with GET; 307 and 308 have it repeat what it sent, 301 and 308
    are for ever. ValueError for a status that is no redirect. What is no ASCII in ``location`` is percent-encoded.
    """

    def __init__(self, location: str, status: int = 303, headers: Pairs = ()) -> None:
        if status not in {301, 302, 303, 307, 308}:
            raise ValueError(f"{status} is no redirect")
        super().__init__(b"", status, headers)
        self.headers["location"] = quote(location, safe="!#$%&'()*+,/:;=?@[]~")


class File(Response):
    """A file: ``File("report.pdf", download=True)``.

    It is sent as it is on the disk, with its validators: conditions (304) and ranges (206) are answered by the core.
    ``content_type`` is told by the name unless it is given. ``download`` has the browser save it, under its name or
    the one that is given. A file that is not there is a NotFound; other OSErrors are raised as they are.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        status: int = 200,
        headers: Pairs = (),
        *,
        content_type: str | None = None,
        download: bool | str = False,
    ) -> None:
        file = Path(fspath(path))
        kind = content_type or mimetypes.guess_type(file.name)[0] or BYTES
        super().__init__(b"", status, headers, content_type=kind)
        try:
            self.body = FileBody(file)
        except FileNotFoundError:
            raise NotFound from None
        if download:
            name = download if isinstance(download, str) else file.name
            # RFC 6266: browsers take the form that can say any character; the other would need quoting.
            self.headers["content-disposition"] = f"attachment; filename*=UTF-8''{quote(name, safe='')}"


class Problem(Response):
    """An error as application/problem+json (RFC 9457).

    ``title`` is the status's name and ``type`` about:blank unless they are given; further keywords become members.
    """

    def __init__(
        self,
        status: int,
        detail: str = "",
        *,
        title: str | None = None,
        type: str = "about:blank",  # noqa: A002
        instance: str | None = None,
        headers: Pairs = (),
        **extensions: Any,
    ) -> None:
        self.members: dict[str, Any] = {"type": type, "title": title or title_of(status), "status": status}
        self.members |= {"detail": detail} if detail else {}
        self.members |= {"instance": instance} if instance else {}
        self.members |= extensions
        super().__init__(encode_json(self.members), status, headers, content_type=PROBLEM)


def encode_json(value: Mapping[str, Any]) -> bytes:
    """By msgspec only for what the standard library has not."""
    import json  # noqa: PLC0415

    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError):
        from velocem.binding import encode  # noqa: PLC0415

        return encode(value)


def make_body(body: str | bytes | AsyncIterator[str | bytes] | Iterator[str | bytes]) -> bytes | Stream:
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    return Chunks(body, chunk_of)


def chunk_of(item: Any) -> bytes:
    """A piece of a stream of text or bytes."""
    return item.encode() if isinstance(item, str) else bytes(item)


def line_of(item: Any) -> bytes:
    """A piece of a stream of JSON values: a line each (JSON Lines)."""
    from velocem.binding import encode  # noqa: PLC0415

    return encode(item) + b"\n"


def piece_of(item: Any) -> bytes:
    """Of a stream that does not say what it is of."""
    return chunk_of(item) if isinstance(item, str | bytes | bytearray | memoryview) else line_of(item)


class Chunks:
    """The bytes of what a generator gives, sync or async; closed once, also when nobody began."""

    __slots__ = ("convert", "source")

    def __init__(self, source: Any, convert: Callable[[Any], bytes]) -> None:
        self.source = source
        self.convert = convert

    def __aiter__(self) -> "Chunks":
        return self

    async def __anext__(self) -> bytes:
        if hasattr(self.source, "__anext__"):
            return self.convert(await self.source.__anext__())
        try:
            return self.convert(next(self.source))
        except StopIteration:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        if hasattr(self.source, "aclose"):
            await self.source.aclose()
        elif hasattr(self.source, "close"):
            self.source.close()
