"""What handlers return becomes a reply; and what the core says by itself."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from support.cores import BYTES, HEADER, QUERY, REQUEST, Made, Response, leaf, one

from velocem._core import Plan, RequestBase
from velocem.types import Reply

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
OCTETS = "application/octet-stream"


@pytest.mark.parametrize(
    ("result", "status", "kind", "body"),
    [
        ("", 200, TEXT, b""),
        ("hé", 200, TEXT, "hé".encode()),
        (b"x", 200, OCTETS, b"x"),
        (bytearray(b"x"), 200, OCTETS, b"x"),
        (memoryview(b"x"), 200, OCTETS, b"x"),
        (None, 204, None, b""),
        ({"a": [1, 2.5, True, False, None, "é\n"]}, 200, JSON, '{"a":[1,2.5,true,false,null,"é\\n"]}'.encode()),
        ([], 200, JSON, b"[]"),
        (7, 200, JSON, b"7"),
        (("gone", 410), 410, TEXT, b"gone"),
        ((None, 404), 404, None, b""),
        (({"a": 1}, 201, {"x-y": "z"}), 201, JSON, b'{"a":1}'),
        (("<p>", 200, [("Content-Type", "text/html")]), 200, "text/html", b"<p>"),
        ({1: 2}, 200, JSON, b'{"1": 2}'),
        ({"a": {3}}, 200, JSON, b'{"a": "{3}"}'),
        (Response(418, [(b"x", b"y")], b"pot"), 418, None, b"pot"),
    ],
)
def test_a_result_is_rendered_by_its_type(result: object, status: int, kind: str | None, body: bytes) -> None:
    got, headers, data = one(lambda: result).ask("GET", "/")
    assert (got, headers.get("content-type"), data) == (status, kind, body)


def test_a_plan_has_a_status_and_an_encoder_of_its_own() -> None:
    made = one(lambda: 1, status=201, encode=lambda value: b"<%d>" % value, content_type=b"text/x")
    assert made.ask("GET", "/") == (201, {"content-type": "text/x"}, b"<1>")
    assert one(lambda: None, status=202).ask("GET", "/") == (202, {}, b"")


def test_a_coroutine_is_given_to_who_asks_and_its_result_is_rendered() -> None:
    async def handler(q: int) -> dict[str, int]:
        return {"q": q}

    assert one(handler, leaf(QUERY, "q", 1), is_async=True).ask("GET", "/?q=1")[2] == b'{"q":1}'


def test_an_exception_is_rendered_by_who_knows() -> None:
    async def late() -> None:
        raise LookupError

    def soon() -> None:
        raise LookupError

    for handler in (late, soon):
        assert one(handler).ask("GET", "/") == (500, {"x-plan": "yes"}, b"LookupError at /")


@pytest.mark.parametrize(
    "result",
    [
        ("x", 200, {"a": "b\r\nc: d"}),
        ("x", 200, {"a b": "c"}),
        ("x", 200, {"": "c"}),
        ("x", 200, {"a": "\0"}),
        ("x", 200, {"a": "€"}),
        ("x", 200, {"a": 1}),
        ("x", 200, [("a",)]),
        ("x", 200, 7),
        ("x", 99),
        ("x", 1000),
        Response("200", [], b""),
        Response(200, [], b"", None, 1),
        Response(200, [(b"a", b"b\n")], b""),
        Response(20, [], b""),
    ],
)
def test_a_result_that_cannot_be_sent_is_a_failure_and_nothing_of_it_goes_out(result: object) -> None:
    status, headers, body = one(lambda: result).ask("GET", "/")
    assert (status, headers) == (500, {"x-plan": "yes"})
    assert body.endswith(b"Error at /")


def test_what_frames_the_message_is_not_the_handlers() -> None:
    fields = {
        "Transfer-Encoding": "chunked",
        "Connection": "close",
        "Keep-Alive": "x",
        "Content-Length": "99",
        "A": "b",
    }
    assert one(lambda: ("x", 200, fields)).ask("GET", "/")[1] == {"a": "b", "content-type": TEXT}


def test_many_headers_are_kept_in_order() -> None:
    pairs = [(f"x-{i}", str(i)) for i in range(100)]
    assert list(one(lambda: ("x", 200, pairs)).ask("GET", "/")[1].items())[:100] == pairs


def test_a_failure_that_cannot_be_rendered_is_logged_and_answered() -> None:
    def failed(error: BaseException, request: object, plan: object) -> Reply:
        raise ValueError("no") from error

    made = Made(failed=failed)
    made.add("GET", "/", lambda: 1 // 0)
    status, headers, body = made.ask("GET", "/")
    assert (status, headers["content-type"]) == (500, "application/problem+json")
    assert json.loads(body)["title"] == "Internal Server Error"
    assert "cannot be made" in made.logged[0][1]
    assert isinstance(made.logged[0][2], ValueError)


def test_what_is_no_exception_goes_on_behind_the_answer() -> None:
    def leaves() -> None:
        raise SystemExit(3)

    made = one(leaves)
    call = made.core().call("GET", b"/", b"", [])
    with pytest.raises(SystemExit):
        call.start(b"")
    assert call.reply is not None
    assert call.reply[0] == 500


def refusals() -> Made:
    made = Made()
    made.add("GET", "/a", lambda: "a")
    made.add("POST", "/a", lambda: "b")
    made.add("GET", "/b/", lambda: "b")
    return made


@pytest.mark.parametrize(
    ("method", "target", "status", "headers"),
    [
        ("GET", "/none", 404, {}),
        ("DELETE", "/a", 405, {"allow": "GET, HEAD, OPTIONS, POST"}),
        ("OPTIONS", "/a", 204, {"allow": "GET, HEAD, OPTIONS, POST"}),
        ("GET", "/%zz", 400, {}),
        ("GET", "/%00", 400, {}),
        ("GET", "/a/", 308, {"location": "../a"}),
        ("GET", "/b?x=1", 308, {"location": "./b/?x=1"}),
    ],
)
def test_what_has_no_route_is_answered_without_python(
    method: str, target: str, status: int, headers: dict[str, str]
) -> None:
    got, fields, body = refusals().ask(method, target)
    kind = fields.pop("content-type", None)
    assert (got, fields) == (status, headers)
    assert kind == ("application/problem+json" if status >= 400 else None)
    if status >= 400:
        assert json.loads(body)["status"] == status


def test_head_is_what_get_is() -> None:
    assert refusals().ask("HEAD", "/a")[0] == 200


def test_problems_can_be_the_apps_own() -> None:
    told: list[Any] = []

    def problem(status: int, errors: Any, allow: tuple[str, ...], request: RequestBase) -> Reply:
        told.append((status, errors, allow, request.path))
        return status, [(b"x-mine", b"1")], b"mine"

    made = Made(problem=problem)
    made.add("GET", "/a", lambda q: q, leaf(QUERY, "q"))
    assert made.ask("GET", "/b") == (404, {"x-mine": "1"}, b"mine")
    assert made.ask("PUT", "/a")[0] == 405
    assert made.ask("GET", "/a")[0] == 422
    assert told == [
        (404, None, (), "/b"),
        (405, None, ("GET", "HEAD", "OPTIONS"), "/a"),
        (422, [{"loc": ["query", "q"], "msg": "is missing"}], (), "/a"),
    ]


def test_a_generator_is_a_stream() -> None:
    def numbers() -> Iterator[bytes]:
        yield b"1"

    status, headers, body = one(numbers, status=202).ask("GET", "/")
    assert (status, headers) == (202, {"content-type": "text/event-stream"})
    assert list(body) == [b"1"]  # type: ignore[comparison-overlap]


def test_a_call_is_answered_once() -> None:
    call = one(lambda: "x").core().call("GET", b"/", b"", [])
    call.start(b"")
    with pytest.raises(RuntimeError, match="answered"):
        call.start(b"")
    with pytest.raises(RuntimeError, match="answered"):
        call.finish(1)
    with pytest.raises(RuntimeError, match="answered"):
        call.fail(ValueError())
    with pytest.raises(TypeError, match="bytes"):
        one(lambda: "x").core().call("GET", b"/", b"", []).start("x")  # type: ignore[arg-type]


def test_a_call_can_be_refused() -> None:
    call = one(lambda b: "x", leaf(REQUEST, "")).core().call("GET", b"/", b"", [])
    call.refuse(413)
    assert call.reply is not None
    assert call.reply[0] == 413


def test_a_call_needs_a_request_that_is_one() -> None:
    core = one(lambda: "x").core()
    with pytest.raises(TypeError):
        core.call("GET", b"/", b"", [("a", "b")])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="256"):
        core.call("GET", b"/", b"", [(b"a", b"b")] * 257)
    with pytest.raises(ValueError, match="token"):
        core.call("€", b"/", b"", [])


def test_a_core_needs_all_it_calls() -> None:
    made = Made()
    del made.options["failed"]
    with pytest.raises(TypeError, match="lacks"):
        made.core()
    with pytest.raises(TypeError, match="request_type"):
        Made(request_type=dict).core()


def test_what_is_mounted_is_told() -> None:
    made = Made()
    made.router.mount("/m", object())
    call = made.core().call("GET", b"/m/x", b"", [])
    assert call.mounted
    assert call.plan is None
    assert call.reply is None


def test_a_request_outlives_its_call() -> None:
    kept: list[RequestBase] = []
    made = one(kept.append, leaf(REQUEST, ""))
    made.ask("GET", "/?a=b", {"X": "y" * 1000})
    assert kept[0].raw_headers == [(b"x", b"y" * 1000)]
    with pytest.raises(TypeError, match="made by the server"):
        RequestBase()


def test_a_plan_with_a_header_in_its_answer() -> None:
    made = one(lambda ua: ("x", 200, {"x-ua": ua}), leaf(HEADER, "user-agent"))
    assert made.ask("GET", "/", {"User-Agent": "me\xe9"})[1]["x-ua"] == "me\xe9"
    assert isinstance(made.core().call("GET", b"/", b"", []).plan, Plan)


def test_names_in_upper_case_leave_the_bytes_of_others_alone() -> None:
    """Bytes of one letter are one object for the whole process."""
    kept: list[RequestBase] = []

    def handler(request: RequestBase) -> tuple[str, int, dict[str, str]]:
        kept.append(request)
        return "x", 200, {"A": "B"}

    made = one(handler, leaf(REQUEST, ""))
    assert made.ask("GET", "/", {"X": "Y"})[1]["a"] == "B"
    assert kept[0].raw_headers == [(b"x", b"Y")]
    assert [bytes([code])[0] for code in b"AX"] == [0x41, 0x58]


def test_what_is_to_be_done_after_a_reply_goes_with_it_whatever_comes_of_it() -> None:
    def after() -> None:
        raise AssertionError("it is called by who sends")

    def reply_of(result: object) -> Any:
        call = one(lambda: result).core().call("GET", b"/", b"", [])
        call.start(b"")
        return call.reply

    assert reply_of(Response(200, [], b"x", after)) == (200, [], b"x", after)
    assert reply_of(Response(200, [], b"x", None)) == (200, [], b"x")
    refused = reply_of(Response(200, [(b"a", b"b\n")], b"x", after))
    assert (refused[0], refused[3]) == (500, after)


def test_a_body_above_the_limit_is_refused_by_the_call_too() -> None:
    made = one(len, leaf(BYTES, ""), body_limit=3)
    assert made.ask("POST", "/", body=b"123")[2] == b"3"
    assert made.ask("POST", "/", body=b"1234")[0] == 413
    assert made.core().call("POST", b"/", b"", []).body_limit == 3
