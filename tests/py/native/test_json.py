"""JSON made in C is what msgspec and the standard library make."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.cores import one

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner), max_leaves=20
)


def made(value: Any) -> bytes:
    status, _, body = one(lambda: {"v": value}).ask("GET", "/")
    assert status == 200, body
    return body[len(b'{"v":') : -1]


@given(VALUES)
def test_it_is_the_json_of_the_standard_library(value: Any) -> None:
    want = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    got = made(value)
    assert json.loads(got) == json.loads(want)
    assert got.decode() == want.replace("\x7f", "\x7f")


def test_every_character_is_escaped_as_it_has_to_be() -> None:
    for code in range(0x300):
        for length in range(10):
            text = "x" * length + chr(code) + "y" * 9
            assert json.loads(made(text)) == text
            assert made(text).decode() == json.dumps(text, ensure_ascii=False)


def test_numbers_that_json_has_not_are_null() -> None:
    assert made([float("nan"), float("inf"), -float("inf")]) == b"[null,null,null]"


def test_integers_of_any_size() -> None:
    for value in (0, -1, 2**63 - 1, -(2**63), 2**63, 2**64, -(2**200)):
        assert made(value) == str(value).encode()


def test_what_is_too_deep_is_a_failure() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    status, _, body = one(lambda: deep).ask("GET", "/")
    assert (status, body) == (500, b"RecursionError at /")
    while deep:
        deep = deep.pop()


def test_a_lone_surrogate_is_a_failure() -> None:
    status, _, body = one(lambda: ["\ud800"]).ask("GET", "/")
    assert (status, body) == (500, b"UnicodeEncodeError at /")
