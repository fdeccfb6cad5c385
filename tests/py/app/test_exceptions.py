"""Errors that are answers."""

import pytest

import velocem.router
from velocem import exceptions
from velocem.exceptions import BY_STATUS, HTTPError, Invalid, NotFound, title_of
from velocem.router import Router


def test_an_error_has_detail_headers_and_members() -> None:
    error = NotFound("no such user", headers={"x-why": "gone"}, user_id=7)
    assert (error.status, error.detail, error.headers, error.extensions) == (
        404,
        "no such user",
        {"x-why": "gone"},
        {"user_id": 7},
    )
    assert str(error) == "no such user"
    assert str(NotFound()) == "Not Found"


def test_every_class_is_of_its_status() -> None:
    for status, kind in BY_STATUS.items():
        assert kind.status == status
        assert kind("why").status == status
    assert HTTPError(418, "tea").status == 418


@pytest.mark.parametrize("status", [200, 399, 600])
def test_an_error_has_a_status_of_one(status: int) -> None:
    with pytest.raises(ValueError, match=str(status)):
        HTTPError(status)


def test_invalid_is_a_value_error_that_says_where() -> None:
    error = Invalid([{"loc": ["body", "items", 0], "msg": "is odd"}])
    assert isinstance(error, ValueError)
    assert (error.status, str(error)) == (422, "body.items.0: is odd")
    assert error.extensions == {"errors": error.errors}


def test_titles_are_those_of_rfc_9110() -> None:
    assert [title_of(status) for status in (404, 413, 422, 499)] == [
        "Not Found",
        "Content Too Large",
        "Unprocessable Content",
        "Error",
    ]


def test_the_routers_errors_are_these_too() -> None:
    router = Router()
    router.add("GET", "/a", None)
    with pytest.raises(exceptions.NotFound, match="no route for '/b'") as missed:
        router.lookup("GET", "/b")
    assert isinstance(missed.value, velocem.router.NotFound)
    assert (missed.value.status, missed.value.detail) == (404, "")
    with pytest.raises(exceptions.MethodNotAllowed) as refused:
        router.lookup("POST", "/a")
    assert (refused.value.status, refused.value.headers) == (405, {"allow": "GET, HEAD"})
    with pytest.raises(exceptions.BadRequest) as broken:
        router.lookup("GET", "/%zz")
    assert broken.value.status == 400
