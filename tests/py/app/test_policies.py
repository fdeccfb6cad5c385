"""Policies are checked where they are written, and told to the core in plain values."""

from typing import Any

import pytest

from velocem.policies import Compress, Cors, Limits, RequestId, size


@pytest.mark.parametrize(
    ("value", "number"), [(0, 0), (512, 512), ("512", 512), ("64k", 65536), ("2MB", 2 << 20), ("1 gb", 1 << 30)]
)
def test_sizes(value: int | str, number: int) -> None:
    assert size(value) == number


@pytest.mark.parametrize("value", [-1, "2TB", "", "MB", "1.5MB", "two"])
def test_what_is_no_size(value: int | str) -> None:
    with pytest.raises(ValueError, match="size"):
        size(value)


def test_each_is_told_flat() -> None:
    told: dict[str, Any] = {}
    for policy in (Cors(["https://a.example"], max_age=5), Compress("1k"), RequestId(), Limits("2MB")):
        told |= policy.told()
    assert told["cors_origins"] == (b"https://a.example",)
    assert told["cors_methods"] == b"GET, HEAD, POST, PUT, PATCH, DELETE"
    assert (told["cors_headers"], told["cors_max_age"], told["cors_credentials"]) == (b"*", 5, False)
    assert (told["compress_min"], told["compress_level"]) == (1024, 6)
    assert told["request_id"] == b"x-request-id"
    assert told["body_limit"] == 2 << 20
    for value in told.values():
        assert isinstance(value, int | bytes | bool | tuple)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: Cors(["*"], credentials=True), ValueError),
        (lambda: Cors(["example.com"]), ValueError),
        (lambda: Cors(["https://Example.com/"]), ValueError),
        (lambda: Cors("https://a.example"), TypeError),
        (lambda: Cors(["https://a.example"], methods=["GET\r\n"]).told(), ValueError),
        (lambda: Compress(level=0), ValueError),
        (lambda: RequestId("a b"), ValueError),
        (lambda: Limits("much"), ValueError),
    ],
)
def test_what_cannot_be_is_refused_where_it_is_written(make: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        make()
