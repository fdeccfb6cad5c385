"""Responses: their fields, their bodies, and what they are for the core."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from velocem._core import FileBody
from velocem.exceptions import NotFound
from velocem.headers import Headers
from velocem.responses import Chunks, File, Html, Problem, Redirect, Response, chunk_of


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (Response("text"), "text/plain; charset=utf-8"),
        (Response(b"bytes"), "application/octet-stream"),
        (Response(b"{}", content_type="application/json"), "application/json"),
        (Response(b"{}", headers={"Content-Type": "text/css"}), "text/css"),
        (Html("<p>"), "text/html; charset=utf-8"),
        (Problem(400), "application/problem+json"),
    ],
)
def test_each_has_its_content_type(response: Response, kind: str) -> None:
    assert response.headers.all("content-type") == [kind]


def test_a_response_without_a_body_has_no_content_type() -> None:
    assert Response().render() == (200, [], b"")


def test_it_renders_as_the_core_takes_it() -> None:
    response = Response("é", 201, {"X-One": "1"})
    assert response.render() == (201, [(b"x-one", b"1"), (b"content-type", b"text/plain; charset=utf-8")], "é".encode())


def test_header_text_that_latin_1_has_not_is_refused() -> None:
    with pytest.raises(ValueError, match="latin-1"):
        Response("", headers={"x": "€"}).render()


def test_headers_are_found_in_any_case_and_set_once() -> None:
    headers = Headers([("X-A", "1"), ("x-a", "2"), ("b", "3")])
    assert (headers["x-A"], headers.all("X-a"), len(headers), list(headers)) == ("1", ["1", "2"], 2, ["x-a", "b"])
    headers["X-A"] = "4"
    headers.add("b", "5")
    assert headers.pairs == [("b", "3"), ("x-a", "4"), ("b", "5")]
    del headers["B"]
    assert headers.pairs == [("x-a", "4")]
    with pytest.raises(KeyError):
        del headers["b"]


def test_a_problem_has_the_members_of_rfc_9457() -> None:
    problem = Problem(409, "taken", instance="/users/7", user_id=7)
    assert json.loads(problem.render()[2]) == {  # type: ignore[arg-type]
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "detail": "taken",
        "instance": "/users/7",
        "user_id": 7,
    }
    assert json.loads(Problem(422, title="No", type="https://e.example/no").body)["title"] == "No"  # type: ignore[arg-type]


def test_a_problem_may_hold_what_the_standard_library_cannot_write() -> None:
    told = json.loads(Problem(400, at=datetime(2026, 1, 2, tzinfo=UTC)).body)  # type: ignore[arg-type]
    assert told["at"] == "2026-01-02T00:00:00Z"


def test_a_redirect_has_a_location_of_ascii() -> None:
    assert Redirect("/café?q=a b").headers["location"] == "/caf%C3%A9?q=a%20b"
    assert Redirect("https://e.example/%20x#y", 308).status == 308
    assert "\n" not in Redirect("/x\r\nset-cookie: a=b").headers["location"]
    with pytest.raises(ValueError, match="200"):
        Redirect("/", 200)


def test_a_cookie_is_written_as_rfc_6265_has_it() -> None:
    response = Response()
    response.set_cookie("sid", "abc", max_age=60, secure=True, same_site="strict")
    response.delete_cookie("old")
    assert response.headers.all("set-cookie") == [
        "sid=abc; Max-Age=60; Path=/; Secure; HttpOnly; SameSite=Strict",
        "old=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax",
    ]
    until = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    response.set_cookie("a", "", expires=until, http_only=False, same_site="", path="")
    assert response.headers.all("set-cookie")[-1] == "a=; Expires=Fri, 02 Jan 2026 03:04:05 GMT"


@pytest.mark.parametrize(
    ("name", "value"), [("", "x"), ("a b", "x"), ("a", "x; domain=evil"), ("a", "é"), ("a", "x\r\n")]
)
def test_no_cookie_breaks_out_of_its_field(name: str, value: str) -> None:
    with pytest.raises(ValueError, match="cookie"):
        Response().set_cookie(name, value)


def test_a_file_tells_its_type_and_its_name(tmp_path: Path) -> None:
    path = tmp_path / "ü 1.pdf"
    path.write_bytes(b"%PDF")
    assert File(path).headers.pairs == [("content-type", "application/pdf")]
    assert File(path, download=True).headers["content-disposition"] == "attachment; filename*=UTF-8''%C3%BC%201.pdf"
    body = File(path, download="a.pdf").render()[2]
    assert isinstance(body, FileBody)
    assert body.size == 4
    with pytest.raises(NotFound):
        File(tmp_path / "none")
    with pytest.raises(OSError, match=r"."):
        File(tmp_path)


async def letters() -> AsyncIterator[str]:
    yield "é"
    yield "b"


def test_generators_of_both_kinds_are_streams() -> None:
    def plain() -> Iterator[bytes]:
        yield b"1"
        yield b"2"

    async def gather(body: Any) -> list[bytes]:
        return [piece async for piece in body]

    assert asyncio.run(gather(Response(letters()).body)) == ["é".encode(), b"b"]
    assert asyncio.run(gather(Response(plain()).body)) == [b"1", b"2"]


def test_a_stream_closes_its_generator() -> None:
    closed: list[str] = []

    def plain() -> Iterator[str]:
        try:
            yield "a"
        finally:
            closed.append("plain")

    async def waiting() -> AsyncIterator[str]:
        try:
            yield "a"
        finally:
            closed.append("async")

    async def begin_and_close(source: Any) -> None:
        chunks = Chunks(source, chunk_of)
        await anext(chunks)
        await chunks.aclose()

    asyncio.run(begin_and_close(plain()))
    asyncio.run(begin_and_close(waiting()))
    assert closed == ["plain", "async"]
