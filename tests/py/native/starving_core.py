"""Run by itself: every Python allocation of a request fails in turn, and many requests leave no memory behind."""

import _testcapi  # type: ignore[import-not-found]
import gc
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from support.cores import BODY, BYTES, COOKIE, FORM, HEADER, INT, MANY, PATH, QUERY, REQUEST, STR, Made, Response, leaf

from velocem._core import Core, FileBody, FileParts, RequestBase, Static

FOLDER = Path(tempfile.mkdtemp())
(FOLDER / "a.txt").write_bytes(b"hello" * 100)
JSON = {"Content-Type": "application/json", "Accept-Encoding": "gzip", "Origin": "https://a.example"}
PREFLIGHT = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}


def show(request: RequestBase) -> list[Any]:
    return [
        request.method,
        request.path,
        str(request.raw_headers),
        request.path_params,
        request.state["request_id"] != "",
    ]


def encode(value: object) -> bytes:
    """The standard library's makes functions while it encodes."""
    return repr(value).encode()


def make() -> Core:
    made = Made(
        encode=encode,
        policies={
            "cors_origins": (b"https://a.example",),
            "cors_methods": b"GET",
            "compress_types": (b"application/json",),
            "compress_min": 50,
            "request_id": b"x-request-id",
        },
    )
    made.add("GET", "/text", lambda: "text")
    made.add("GET", "/wide", lambda: "é€")
    made.add("GET", "/json", lambda: {"a": [1, 2.5, "x" * 100, None, {"b": True}], "c": 2**80})
    made.add("GET", "/other", lambda: {1: {2}})
    made.add("GET", "/tuple", lambda: ("x", 201, {f"x-{i}": str(i) for i in range(20)}))
    made.add("GET", "/response", lambda: Response(200, [(b"a", b"b")], b"c", print))
    made.add("GET", "/p/{a:int}/{b}", lambda *args: list(args), leaf(PATH, "a", None), leaf(PATH, "b", str.upper))
    values = (leaf(QUERY, "q", INT, MANY, []), leaf(HEADER, "x-h", STR, 0, "?"), leaf(COOKIE, "c", STR, 0, "?"))
    made.add("GET", "/values", lambda *args: list(args), *values)
    made.add("POST", "/form", lambda *args: list(args), leaf(FORM, "a"), leaf(FORM, "b", INT, MANY))
    made.add("POST", "/body", lambda value: value, leaf(BODY, "value", json.loads), body_types=(b"application/json",))
    made.add("POST", "/bytes", len, leaf(BYTES, ""))
    made.add("GET", "/request/{x}", show, leaf(REQUEST, ""))
    made.add("GET", "/fails", lambda: 1 // 0)
    made.add("GET", "/file", lambda: Response(200, [], FileBody(FOLDER / "a.txt")))
    made.router.mount("/static", Static(FOLDER, precompressed=True, types={"txt": b"text/plain"}))
    return made.core()


CORE = make()
QUESTIONS: dict[str, tuple[str, str, dict[str, str], bytes]] = {
    "text": ("GET", "/text", {}, b""),
    "wide": ("GET", "/wide", {}, b""),
    "json": ("GET", "/json", {}, b""),
    "compressed": ("GET", "/json", JSON, b""),
    "other": ("GET", "/other", {}, b""),
    "tuple": ("GET", "/tuple", {}, b""),
    "response": ("GET", "/response", {}, b""),
    "path": ("GET", "/p/12/x%20y", {}, b""),
    "values": ("GET", "/values?q=1&q=2&%71=3", {"X-H": "é", "Cookie": "a=b; c=d"}, b""),
    "faults": ("GET", "/values?q=x", {}, b""),
    "form": ("POST", "/form", {}, b"a=b+c&b=1&b=2"),
    "body": ("POST", "/body", JSON, b'{"a": [1]}'),
    "malformed": ("POST", "/body", JSON, b"{"),
    "refused": ("POST", "/body", {"Content-Type": "text/plain"}, b"{}"),
    "bytes": ("POST", "/bytes", {}, b"x" * 1000),
    "request": ("GET", "/request/a%2Fb", {"X-Y": "z"}, b""),
    "fails": ("GET", "/fails", {}, b""),
    "404": ("GET", "/none", {}, b""),
    "405": ("PUT", "/text", {}, b""),
    "308": ("GET", "/text/", {}, b""),
    "preflight": ("OPTIONS", "/text", PREFLIGHT, b""),
    "file": ("GET", "/file", {}, b""),
    "ranges": ("GET", "/file", {"Range": "bytes=0-1,5-6"}, b""),
    "416": ("GET", "/file", {"Range": "bytes=9999-"}, b""),
    "static": ("GET", "/static/a.txt", {}, b""),
    "no static": ("GET", "/static/none", {}, b""),
}


def ask(question: tuple[str, str, dict[str, str], bytes]) -> Any:
    """Status, headers but for what differs from one to the next, and body.

    No function is made in here: one that cannot be made breaks CPython 3.12 and later (MAKE_FUNCTION, docs/loop.md).
    """
    method, target, headers, body = question
    path, _, query = target.partition("?")
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    call = CORE.call(method, path.encode(), query.encode(), pairs)
    if call.reply is None:
        call.start(body)
    reply: Any = call.reply
    shown = list(reply[2]) if isinstance(reply[2], FileParts) else reply[2]
    multipart = [value for _, value in reply[1] if b"multipart" in value]  # whose boundary differs
    fields = [pair for pair in reply[1] if pair[0] not in {b"x-request-id", b"content-type"}]
    return reply[0], fields, None if multipart else shown


def starve(name: str, question: tuple[str, str, dict[str, str], bytes]) -> int:
    """How many allocations there are; each that fails is a MemoryError or a 500, and nothing else."""
    right = ask(question)
    number = 0
    while number < 2000:
        number += 1
        got: Any = None
        _testcapi.set_nomemory(number, number + 1)
        try:
            got = ask(question)
        except (MemoryError, SystemError) as error:
            # CPython loses the exception of a function of Python's when there is no memory for its traceback.
            got = error
        finally:
            _testcapi.remove_mem_hooks()
        if isinstance(got, SystemError):
            assert "<function" in str(got) or "<method" in str(got), (name, got)
        if isinstance(got, Exception):
            continue
        if got == right and number > 400:
            break
        assert got == right or got[0] in {422, 500, 503}, (name, number, got)
    assert ask(question) == right, name
    return number


def leak(name: str, question: tuple[str, str, dict[str, str], bytes]) -> None:
    def blocks(rounds: int) -> int:
        for _ in range(rounds):
            ask(question)
        gc.collect()
        return sys.getallocatedblocks()

    blocks(50)
    before, after = blocks(300), blocks(300)
    assert after - before < 100, (name, after - before)


def main() -> None:
    print(", ".join(f"{name} {starve(name, question)}" for name, question in QUESTIONS.items()))
    for name, question in QUESTIONS.items():
        leak(name, question)
    (FOLDER / "a.txt").unlink()
    FOLDER.rmdir()
    print("whole")


if __name__ == "__main__":
    main()
