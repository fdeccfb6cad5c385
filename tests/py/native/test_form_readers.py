"""What reads forms with files for the core: what it is told, what it may write, and what it does wrong."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.client import Client
from support.cores import FORM, Made, leaf

from velocem import Server

HEAD = (
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: Multipart/Form-Data; boundary=b\r\nTransfer-Encoding: chunked\r\n\r\n"
)


class Reader:
    """Says what it was asked for, and answers as it is told to."""

    def __init__(self, told: list[Any], answers: dict[str, Callable[..., Any]]) -> None:
        self.told = told
        self.answers = answers

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def method(*args: Any) -> Any:
            self.told.append((name, *args))
            default: Callable[..., Any] = (lambda *_: b"a=1") if name == "finish" else lambda *_: None
            return self.answers.get(name, default)(*args)

        return method


def ask(told: list[Any], *pieces: bytes, **answers: Callable[..., Any]) -> tuple[int, bytes, list[str]]:
    """Status, body, what was logged."""

    def form(plan: Any, content_type: bytes) -> Reader:
        told.append(content_type)
        return Reader(told, answers)

    made = Made(form=answers.pop("form", form))
    made.add("POST", "/", lambda a: f"a is {a}", leaf(FORM, "a"), handed=True)
    with Server(made) as server, Client(server) as client:
        client.send(HEAD + b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in pieces))
        got = client.ask(b"0\r\n\r\n")
    return got.status, got.body, [message for _, message, _ in made.logged]


def test_pieces_go_to_the_reader_and_what_is_left_to_the_plan() -> None:
    told: list[Any] = []
    assert ask(told, b"one", b"two")[:2] == (200, b"a is 1")
    assert told == [
        b"Multipart/Form-Data; boundary=b",
        ("feed", b"one"),
        ("feed", b"two"),
        ("finish",),
        ("over",),
    ]


def test_what_cannot_be_the_delimiter_goes_to_the_file(tmp_path: Path) -> None:
    told: list[Any] = []
    with (tmp_path / "file").open("wb") as file:
        answers = [(file.fileno(), b"\r\n--b", 20), None, (file.fileno(), b"\r\n--b", 3)]
        pieces = (b"head", b"1\r\n--c2", b"34\r", b"56", b"789", b"abcd", b"ef")
        assert ask(told, *pieces, feed=lambda _: answers.pop(0) if answers else None)[0] == 200
    assert (tmp_path / "file").read_bytes() == b"1\r\n--c2789"
    assert told[1:] == [
        *(("feed", b"head"), ("written", 7), ("feed", b"34\r")),  # which may be its first byte
        *(("feed", b"56"), ("written", 3), ("feed", b"abcd")),  # more than there is room for
        *(("feed", b"ef"), ("finish",), ("over",)),
    ]


def boom(*_: Any) -> Any:
    raise ValueError("no")


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ({"form": boom}, "ValueError"),
        ({"feed": boom}, "ValueError"),
        ({"feed": lambda _: 1}, "TypeError"),
        ({"feed": lambda _: (1, 2, 3)}, "TypeError"),
        ({"finish": boom}, "ValueError"),
        ({"finish": lambda: None}, "TypeError"),
    ],
)
def test_a_reader_that_fails_is_an_answer(answers: dict[str, Any], error: str) -> None:
    told: list[Any] = []
    status, body, _ = ask(told, b"one", **answers)
    assert (status, body) == (500, f"{error} at /".encode())
    assert "form" in answers or told[-1] == ("over",)


def test_a_file_that_cannot_be_written_is_an_answer() -> None:
    told: list[Any] = []
    closed = os.open("/dev/null", os.O_RDONLY)
    try:
        got = ask(told, b"one", b"two", feed=lambda _: (closed, b"\r\n--b", 20))
    finally:
        os.close(closed)
    assert got[:2] == (500, b"OSError at /")
    assert told[-1] == ("over",)


def test_an_end_that_fails_is_logged() -> None:
    status, _, logged = ask([], b"one", over=boom)
    assert status == 200
    assert logged == ["a form cannot be ended"]
