"""Arguments of handlers: from where they come, what they become, and what is said of what is wrong."""

import json
from typing import Any, ClassVar

import pytest
from support.cores import (
    BODY,
    BOOL,
    BYTES,
    CONST,
    COOKIE,
    FLOAT,
    FORM,
    HEADER,
    INT,
    MANY,
    PATH,
    QUERY,
    REQUEST,
    STR,
    Made,
    leaf,
    one,
)

from velocem._core import MISSING, Plan, RequestBase


def echo(*values: Any) -> Any:
    return list(values)


def told(made: Made, target: str, **more: Any) -> Any:
    status, _, body = made.ask("GET", target, **more)
    return json.loads(body) if status == 200 else (status, json.loads(body).get("errors"))


def missing(source: str, name: str) -> dict[str, Any]:
    return {"loc": [source, name], "msg": "is missing"}


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("q=hello", "hello"),
        ("q=", ""),
        ("q", ""),
        ("q=a+b%20c%2B", "a b c+"),
        ("%71=x", "x"),
        ("a=1&q=2&q=3", "2"),
        ("q=%C3%A9", "é"),
        ("q=" + "%41" * 1000, "A" * 1000),
        ("q=100%", "100%"),
    ],
)
def test_a_query_parameter_is_decoded_once(query: str, value: str) -> None:
    assert told(one(echo, leaf(QUERY, "q")), f"/?{query}") == [value]


def test_what_is_not_utf_8_is_no_text() -> None:
    assert told(one(echo, leaf(QUERY, "q")), "/?q=%ff") == (422, [{"loc": ["query", "q"], "msg": "is not UTF-8"}])


@pytest.mark.parametrize(
    ("convert", "text", "value"),
    [
        (INT, "42", 42),
        (INT, "-0042", -42),
        (INT, "+7", 7),
        (INT, "9" * 30, int("9" * 30)),
        (FLOAT, "1.5", 1.5),
        (FLOAT, "-1e3", -1000.0),
        (BOOL, "TRUE", True),
        (BOOL, "off", False),
        (BOOL, "1", True),
        (STR, "7", "7"),
        (str.upper, "abc", "ABC"),
        (None, "abc", "abc"),
    ],
)
def test_text_becomes_what_the_handler_wants(convert: Any, text: str, value: object) -> None:
    got = told(one(echo, leaf(QUERY, "q", convert)), "/?q=" + text.replace("+", "%2B"))
    assert got == [value]
    assert type(got[0]) is type(value)


@pytest.mark.parametrize(
    ("convert", "text", "message"),
    [
        (INT, "", "is not an integer"),
        (INT, "1_000", "is not an integer"),
        (INT, "%201", "is not an integer"),
        (INT, "1.0", "is not an integer"),
        (INT, "%D9%A1", "is not an integer"),
        (INT, "9" * 300, "is not an integer"),
        (INT, "-", "is not an integer"),
        (FLOAT, "x", "is not a number"),
        (FLOAT, "", "is not a number"),
        (FLOAT, "1_0.5", "is not a number"),
        (FLOAT, "1.5%00", "is not a number"),
        (BOOL, "maybe", "is not true or false"),
        (BOOL, "", "is not true or false"),
    ],
)
def test_text_that_is_none_of_the_kind_is_said_so(convert: int, text: str, message: str) -> None:
    assert told(one(echo, leaf(QUERY, "q", convert)), f"/?q={text}") == (
        422,
        [{"loc": ["query", "q"], "msg": message}],
    )


def test_the_message_of_a_conversion_is_that_of_its_value_error() -> None:
    def convert(text: str) -> str:
        raise ValueError(f"{text} is odd")

    assert told(one(echo, leaf(QUERY, "q", convert)), "/?q=3") == (422, [{"loc": ["query", "q"], "msg": "3 is odd"}])


def test_another_exception_of_a_conversion_is_a_failure() -> None:
    def convert(text: str) -> str:
        raise KeyError(text)

    status, headers, body = one(echo, leaf(QUERY, "q", convert)).ask("GET", "/?q=3")
    assert (status, headers["x-plan"], body) == (500, "yes", b"KeyError at /")


def test_all_that_is_wrong_is_said_at_once() -> None:
    made = one(echo, leaf(QUERY, "a", INT), leaf(QUERY, "b"), leaf(HEADER, "c"), leaf(COOKIE, "d"))
    assert told(made, "/?a=x") == (
        422,
        [
            {"loc": ["query", "a"], "msg": "is not an integer"},
            missing("query", "b"),
            missing("header", "c"),
            missing("cookie", "d"),
        ],
    )


def test_many_are_a_list_and_its_default_is_copied() -> None:
    default: list[str] = ["x"]
    seen: list[list[str]] = []

    def handler(tags: list[str], numbers: list[int]) -> Any:
        seen.append(tags)
        tags.append("mine")
        return [tags, numbers]

    made = one(handler, leaf(QUERY, "tag", STR, MANY, default), leaf(QUERY, "n", INT, MANY, []))
    assert told(made, "/?tag=a&n=1&tag=b%20c&n=2") == [["a", "b c", "mine"], [1, 2]]
    assert told(made, "/") == [["x", "mine"], []]
    assert default == ["x"]
    assert told(made, "/?n=1&n=x") == (422, [{"loc": ["query", "n"], "msg": "is not an integer"}])


def test_a_thousand_values_of_one_name_are_enough() -> None:
    made = one(len, leaf(QUERY, "t", STR, MANY, []))
    assert told(made, "/?" + "&".join(["t=1"] * 1000)) == 1000
    status, errors = told(made, "/?" + "&".join(["t=1"] * 1001))
    assert (status, errors[0]["msg"]) == (422, "has too many values")


def test_headers_are_found_in_any_case_and_their_lines_are_one_list() -> None:
    made = one(echo, leaf(HEADER, "accept", STR, 0, None), leaf(HEADER, "x-own", STR, MANY, None))
    headers = [("Accept", "a"), ("X-OWN", "1"), ("ACCEPT", "b"), ("x-own", "2")]
    assert told(made, "/", headers=headers) == ["a, b", ["1", "2"]]
    assert told(made, "/") == [None, None]


def test_cookies_are_found_in_any_of_the_fields() -> None:
    made = one(echo, leaf(COOKIE, "sid"), leaf(COOKIE, "n", INT, 0, 0))
    assert told(made, "/", headers=[("Cookie", 'a=b; sid="x y"'), ("Cookie", "n=7")]) == ["x y", 7]


def test_a_parameter_of_the_path_comes_as_its_converter_made_it() -> None:
    made = Made()
    made.add("GET", "/{a:int}/{b}/{c}", echo, leaf(PATH, "c", INT), leaf(PATH, "a", None), leaf(PATH, "b"))
    assert told(made, "/1/x%20%C3%A9/3") == [3, 1, "x é"]
    assert told(made, "/1/x/y") == (422, [{"loc": ["path", "c"], "msg": "is not an integer"}])
    assert made.ask("GET", "/x/y/3")[0] == 404


def test_a_constant_and_the_request_are_given_as_they_are() -> None:
    thing = object()
    seen: list[Any] = []

    def handler(constant: object, request: RequestBase, body: bytes) -> str:
        seen.extend([constant, request, body])
        return "ok"

    made = Made()
    made.add("POST", "/{x}", handler, leaf(CONST, "", None, 0, thing), leaf(REQUEST, ""), leaf(BYTES, ""))
    assert made.ask("POST", "/a%2Fb?c=d", {"Host": "h", "X-Y": "z"}, b"data")[0] == 200
    constant, request, body = seen
    assert constant is thing
    assert body == b"data" == request.body
    assert (request.method, request.path, request.raw_path) == ("POST", "/a/b", b"/a%2Fb")
    assert (request.query_string, request.path_params) == (b"c=d", {"x": "a/b"})
    assert request.headers == {"host": "h", "x-y": "z"}
    assert (request.scheme, request.root_path, request.client, request.http_version) == ("http", "", None, "1.1")
    request.state["mine"] = 1
    assert request.state == {"mine": 1}
    assert isinstance(request.plan, Plan)


def test_a_form_is_read_as_a_query_is() -> None:
    made = one(
        echo, leaf(FORM, "name"), leaf(FORM, "n", INT, MANY, []), body_types=(b"application/x-www-form-urlencoded",)
    )
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert told(made, "/", headers=headers, body=b"n=1&name=a+b&n=2") == ["a b", [1, 2]]
    assert told(made, "/", headers=headers, body=b"n=x") == (
        422,
        [missing("form", "name"), {"loc": ["form", "n"], "msg": "is not an integer"}],
    )
    assert made.ask("POST", "/", {"Content-Type": "multipart/form-data"}, b"x")[0] == 415


def test_a_body_is_decoded_and_its_errors_are_explained() -> None:
    made = one(echo, leaf(BODY, "new", json.loads), body_types=(b"application/json",))
    json_type = {"Content-Type": "application/json"}
    assert told(made, "/", headers=json_type, body=b'{"a": [1]}') == [{"a": [1]}]
    assert told(made, "/", headers=json_type, body=b"{") == (400, [{"loc": ["body"], "msg": "JSONDecodeError"}])
    assert made.ask("POST", "/", body=b"1")[0] == 415
    assert told(made, "/") == (422, [{"loc": ["body"], "msg": "is missing"}])
    for kind, status in (
        ("application/json", 200),
        ("Application/JSON; charset=utf-8", 200),
        ("application/vnd.x+json", 200),
        ("text/plain", 415),
        ("application/jsonx", 415),
        ("", 415),
    ):
        assert made.ask("POST", "/", {"Content-Type": kind}, b"1")[0] == status, kind


def test_an_absent_body_is_the_default() -> None:
    assert told(one(echo, leaf(BODY, "new", json.loads, 0, None)), "/") == [None]


@pytest.mark.parametrize(
    "bad",
    [
        (QUERY, "q", STR, 0),
        (9, "q", STR, 0, MISSING),
        (-1, "q", STR, 0, MISSING),
        (QUERY, "q", 4, 0, MISSING),
        (QUERY, "q", "str", 0, MISSING),
        (QUERY, b"q", STR, 0, MISSING),
        (CONST, "", None, 0, MISSING),
        ["no tuple"],
    ],
)
def test_a_leaf_that_is_none_is_refused(bad: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        Plan(echo, (bad,))


def test_a_plan_has_bounds() -> None:
    with pytest.raises(ValueError, match="at most 64"):
        Plan(echo, (leaf(QUERY, "q"),) * 65)
    with pytest.raises(ValueError, match="200 to 999"):
        Plan(echo, (), status=99)
    assert told(one(echo, *(leaf(QUERY, "q"),) * 64), "/?q=1") == ["1"] * 64


def test_a_conversion_may_have_many_errors_of_its_own() -> None:
    class InvalidError(ValueError):
        errors: ClassVar = [{"loc": ["body", "a"], "msg": "is odd"}, {"loc": ["body", "b"], "msg": "is even"}]

    def convert(text: str) -> str:
        raise InvalidError(text)

    assert told(one(echo, leaf(QUERY, "q", convert)), "/?q=1") == (422, InvalidError.errors)
