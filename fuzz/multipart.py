"""Fuzzes forms with files: the same fields, files and refusals whatever the cut, and nothing is left behind.

Takes the arguments of the other targets, which are libFuzzer's. An input that begins with ":" is a Content-Type.
"""

import logging
import os
import re
import sys
import tempfile
import zlib
from types import SimpleNamespace
from typing import Any, cast

import atheris

with atheris.instrument_imports(include=["velocem.uploads", "python_multipart"]):
    from python_multipart import multipart  # noqa: F401 - it would be imported later, and not looked into

    from velocem.exceptions import BadRequest, ContentTooLarge
    from velocem.uploads import FormLimits, Incoming, incoming

LIMITS = FormLimits(parts=6, fields=100, file=200)
WANTED = frozenset({"f", "g"})
PLAN = cast("Any", SimpleNamespace(about=SimpleNamespace(parameters=[])))

Told = list[object]


def is_plain(data: bytes, delimiter: bytes) -> bool:
    """Whether none of it can be a part of the delimiter, as the core asks (src/py/native/form.c)."""
    return delimiter not in data and not any(data.endswith(delimiter[:size]) for size in range(1, len(delimiter)))


def feed_as_the_core(form: Incoming, pieces: list[bytes]) -> None:
    """What can only be a file's is written past the parser."""
    file, delimiter, room = -1, b"", 0
    for piece in pieces:
        if file >= 0 and len(piece) <= room and is_plain(piece, delimiter):
            os.write(file, piece)
            form.written(len(piece))
            room -= len(piece)
        else:
            file, delimiter, room = form.feed(piece) or (-1, b"", 0)


def field(form: Incoming, name: str, value: bytes | str) -> object:
    """A file with what is in it, in the place of what stands for it."""
    if isinstance(value, bytes):
        return name, value
    upload = form.files[value]
    assert os.path.dirname(upload.path) == tempfile.tempdir
    assert not re.search(r"[/\\\0]", upload.filename), upload.filename
    assert upload.filename not in (".", "..")
    assert upload.size == len(upload.read()) <= 200
    return name, upload.filename, upload.content_type, upload.read()


def told(pieces: list[bytes]) -> Told:
    form = Incoming(b"x", WANTED, LIMITS)
    try:
        feed_as_the_core(form, pieces)
        form.finish()
        return [field(form, *pair) for pair in form.fields]
    except (BadRequest, ContentTooLarge) as error:
        return [type(error).__name__]
    finally:
        form.close()
        assert os.listdir(tempfile.tempdir) == []


def look_at_type(value: bytes) -> None:
    try:
        form = incoming(PLAN, value, LIMITS)
    except BadRequest:
        return
    assert 5 <= len(form.parser.boundary) <= 74  # CRLF and two hyphens before it


def one_input(data: bytes) -> None:
    if data.startswith(b":"):
        look_at_type(data[1:])
        return
    cut = zlib.crc32(data) % (len(data) + 1)
    size = cut % 7 + 1
    whole = told([data])
    assert told([data[:cut], data[cut:]]) == whole
    assert told([data[at : at + size] for at in range(0, len(data), size)]) == whole


def main() -> None:
    logging.disable(logging.CRITICAL)  # the parser tells of each refusal
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        tempfile.tempdir = folder
        atheris.Setup(sys.argv, one_input)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
