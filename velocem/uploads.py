"""Multipart forms (RFC 7578): text in memory, files on disk as they come, all of it within limits."""

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlencode

from velocem.exceptions import BadRequest, ContentTooLarge

if TYPE_CHECKING:
    from velocem._core import Call, Plan

MULTIPART = b"multipart/form-data"
URLENCODED = b"application/x-www-form-urlencoded"
MOST_HEADERS = 16  # of a part
HEADER_BYTES = 4096
LARGEST_FILE = 1 << 62  # the body has a limit

Pairs = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class FormLimits:
    """Of one form: its parts, bytes of all text in it, bytes of one file (none: as the whole body)."""

    parts: int = 1000
    fields: int = 1 << 20
    file: int | None = None


class Upload:
    """A file that was sent with a form: ``async def avatar(image: Form[Upload])``.

    It is on disk, at ``path``, until the response and the work in the background are over; ``move()`` keeps it.
    ``filename`` and ``content_type`` are what the client says, the name without any folder.
    """

    def __init__(self, filename: str, content_type: str, path: str) -> None:
        self.filename = filename
        self.content_type = content_type
        self.path = path
        self.size = 0
        self.moved = False

    def open(self) -> BinaryIO:
        """The file, to be read; close it."""
        return Path(self.path).open("rb")

    def read(self) -> bytes:
        """All of it."""
        return Path(self.path).read_bytes()

    def move(self, path: str | os.PathLike[str]) -> None:
        """Keep it there; a file of that name is replaced."""
        shutil.move(self.path, path)
        self.path = os.fspath(path)
        self.moved = True

    def __repr__(self) -> str:
        return f"<Upload {self.filename!r} {self.content_type} {self.size} bytes>"


current: ContextVar["Incoming | None"] = ContextVar("form", default=None)
"""The form of the request that is being answered."""


def uploaded(token: str) -> Upload:
    """The conversion of a form's field that is a file: its value stands for it."""
    form = current.get()
    found = form.files.get(token) if form is not None else None
    if found is None:
        raise ValueError("is no file")
    return found


def hold() -> Iterator[None]:
    """A step of routes that take uploads: files go when all that comes later has been cleaned up."""
    form = current.get()
    if form is not None:
        form.held = True
    try:
        yield
    finally:
        if form is not None:
            form.close()


class Incoming:
    """A form that comes, piece by piece. What it raises is an HTTPError, and then nothing of it is to be used."""

    def __init__(self, boundary: bytes, wanted: frozenset[str], limits: FormLimits) -> None:
        from python_multipart.multipart import MultipartParser  # noqa: PLC0415

        self.wanted = wanted
        self.limits = limits
        self.fields: list[tuple[str, bytes | str]] = []
        self.files: dict[str, Upload] = {}
        self.held = False
        self.parts = 0
        self.text_bytes = 0
        self.begun = self.ended = False
        self.header = b""
        self.value = b""
        self.headers: dict[bytes, bytes] = {}
        self.name = ""
        self.text: bytearray | None = None
        self.upload: Upload | None = None
        self.file: int | None = None
        names = ("part_begin", "part_data", "part_end", "header_field", "header_value", "header_end", "end")
        callbacks: Any = {f"on_{name}": getattr(self, name) for name in names}
        callbacks["on_headers_finished"] = self.begin
        self.parser = MultipartParser(boundary, callbacks, max_header_count=MOST_HEADERS, max_header_size=HEADER_BYTES)

    def feed(self, data: bytes) -> tuple[int, bytes, int] | None:
        """While all is a file's until the delimiter: its descriptor, the delimiter, and how much it may have.

        Whoever writes it there instead of feeding it says so by written(): it may be nothing that could be a part of
        the delimiter. A parser between two bytes of data is at the same place after a thousand of them.
        """
        from python_multipart.exceptions import FormParserError  # noqa: PLC0415
        from python_multipart.multipart import MultipartState  # noqa: PLC0415

        if not self.begun:
            # The parser forgives a line break before the first delimiter, and anything behind it in the same piece.
            data = data.lstrip(b"\r\n")
            self.begun = bool(data)
        try:
            self.parser.write(data)
        except FormParserError as error:
            raise BadRequest(f"this is no form: {error}") from None
        if (
            self.file is None
            or self.upload is None
            or self.parser.index
            or self.parser.state != MultipartState.PART_DATA
        ):
            return None
        most = LARGEST_FILE if self.limits.file is None else self.limits.file
        return self.file, self.parser.boundary, most - self.upload.size

    def written(self, size: int) -> None:
        if self.upload is not None:
            self.upload.size += size

    def finish(self) -> bytes:
        """The form as one that has no files: what stands for each is in its place."""
        if not self.ended:
            raise BadRequest("the form is cut off")
        return urlencode(self.fields).encode()

    def over(self) -> None:
        """The request is: where nothing has held the files, nobody has seen them."""
        if not self.held:
            self.close()

    def close(self) -> None:
        """Its files are no more, but for those that were moved."""
        if self.file is not None:
            os.close(self.file)
            self.file = None
        for upload in (*self.files.values(), *([self.upload] if self.upload is not None else [])):
            if not upload.moved:
                with contextlib.suppress(OSError):
                    Path(upload.path).unlink()
        self.files.clear()
        self.upload = None

    # --- of the parser

    def part_begin(self) -> None:
        self.parts += 1
        if self.parts > self.limits.parts:
            raise ContentTooLarge(f"a form has at most {self.limits.parts} parts")
        self.headers = {}

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self.header += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self.value += data[start:end]

    def header_end(self) -> None:
        self.headers[self.header.lower()] = self.value
        self.header = self.value = b""

    def begin(self) -> None:
        from python_multipart.multipart import parse_options_header  # noqa: PLC0415

        kind, options = parse_options_header(self.headers.get(b"content-disposition"))
        if kind != b"form-data" or b"name" not in options:
            raise BadRequest("a part has no name")
        self.name = options[b"name"].decode("utf-8", "replace")
        if b"filename" not in options:
            self.text = bytearray()
        elif self.name in self.wanted:
            filename = file_name(options[b"filename"].decode("utf-8", "replace"))
            self.file, path = tempfile.mkstemp(prefix="velocem-upload-")
            content_type = self.headers.get(b"content-type", b"application/octet-stream").decode("latin-1")
            self.upload = Upload(filename, content_type, path)

    def part_data(self, data: bytes, start: int, end: int) -> None:
        if self.file is not None and self.upload is not None:
            self.write(memoryview(data)[start:end], self.file, self.upload)
        elif self.text is not None:
            self.text_bytes += end - start
            if self.text_bytes > self.limits.fields:
                raise ContentTooLarge(f"the fields of a form have at most {self.limits.fields} bytes")
            self.text += data[start:end]

    def write(self, data: memoryview, file: int, upload: Upload) -> None:
        upload.size += len(data)
        if self.limits.file is not None and upload.size > self.limits.file:
            raise ContentTooLarge(f"a file has at most {self.limits.file} bytes", file=upload.filename)
        while data:
            data = data[os.write(file, data) :]

    def part_end(self) -> None:
        if self.text is not None:
            self.fields.append((self.name, bytes(self.text)))
        elif self.file is not None and self.upload is not None:
            os.close(self.file)
            if self.upload.filename or self.upload.size:
                token = secrets.token_hex()
                self.files[token] = self.upload
                self.fields.append((self.name, token))
            else:  # a browser's field where no file was chosen
                Path(self.upload.path).unlink()
        self.text = self.file = self.upload = None

    def end(self) -> None:
        self.ended = True


def file_name(value: str) -> str:
    """Without any folder, of either kind; none at all where it is but a folder."""
    name = value.replace("\0", "").replace("\\", "/").rpartition("/")[2]
    return "" if name in (".", "..") else name


def begin(call: "Call", headers: Pairs, limits: FormLimits) -> Incoming | None:
    """For a request with a multipart form of a route that takes files; None for any other. BadRequest."""
    plan = call.plan
    if plan is None or not plan.handed or call.reply is not None:
        return None
    value = next((value for name, value in headers if name.lower() == b"content-type"), b"")
    if value.partition(b";")[0].strip().lower() != MULTIPART:
        return None
    return incoming(plan, value, limits)


def incoming(plan: "Plan", content_type: bytes, limits: FormLimits) -> Incoming:
    """The reader of one. BadRequest."""
    from python_multipart.multipart import parse_options_header  # noqa: PLC0415

    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not 0 < len(boundary) <= 70:  # RFC 2046 5.1.1
        raise BadRequest("multipart/form-data has a boundary of 1 to 70 bytes")
    return Incoming(boundary, names_of(plan.about.parameters), limits)


class Reader:
    """For the core: what reads a form of a plan, set where the handler will look for it."""

    def __init__(self, limits: FormLimits) -> None:
        self.limits = limits

    def __call__(self, plan: "Plan", content_type: bytes) -> Incoming:
        form = incoming(plan, content_type, self.limits)
        current.set(form)
        return form


def names_of(parameters: Sequence[Any]) -> frozenset[str]:
    """The fields that are files."""
    return frozenset(one.wire for one in parameters if one.convert is uploaded)


def rewritten(headers: Pairs, body: bytes) -> list[tuple[bytes, bytes]]:
    """Of the request that has its files beside it."""
    framing = (b"content-type", b"content-length", b"transfer-encoding")
    kept = [pair for pair in headers if pair[0].lower() not in framing]
    return [*kept, (b"content-type", URLENCODED), (b"content-length", str(len(body)).encode())]
