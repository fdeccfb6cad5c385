"""What an App says of all its answers: CORS, compression, request ids, limits."""

import gzip
from typing import Any

import pytest
from support.cores import BYTES, REQUEST, Made, leaf

from velocem._core import RequestBase

ORIGIN = "https://example.com"
CORS: dict[str, Any] = {
    "cors_origins": (ORIGIN.encode(), b"https://other.example"),
    "cors_methods": b"GET, POST",
    "cors_headers": b"x-token",
    "cors_expose": b"x-total",
    "cors_credentials": True,
    "cors_max_age": 600,
}
GZIP: dict[str, Any] = {"compress_min": 100, "compress_types": (b"text/", b"application/json"), "compress_level": 6}
IDS: dict[str, Any] = {"request_id": b"x-request-id"}
PREFLIGHT = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-a"}


def made(policies: dict[str, Any], handler: Any = lambda: "x" * 1000) -> Made:
    it = Made(policies=policies)
    it.add("GET", "/", handler)
    return it


def test_an_origin_that_is_allowed_is_said_so() -> None:
    status, headers, _ = made(CORS).ask("GET", "/", {"Origin": ORIGIN})
    assert status == 200
    assert headers["access-control-allow-origin"] == ORIGIN
    assert headers["access-control-allow-credentials"] == "true"
    assert headers["access-control-expose-headers"] == "x-total"
    assert headers["vary"] == "Origin"


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "https://example.com.evil", "HTTPS://EXAMPLE.COM", "null", "*"]
)
def test_another_origin_is_told_nothing(origin: str) -> None:
    for method, more in (("GET", {}), ("OPTIONS", PREFLIGHT)):
        headers = made(CORS).ask(method, "/", {**more, "Origin": origin})[1]
        assert [name for name in headers if name.startswith("access-control")] == []
        assert headers["vary"] == "Origin"


def test_who_names_no_origin_is_told_that_answers_vary() -> None:
    headers = made(CORS).ask("GET", "/")[1]
    assert (headers["vary"], "access-control-allow-origin" in headers) == ("Origin", False)


@pytest.mark.parametrize("target", ["/", "/none", "/%zz"])
def test_a_preflight_is_answered_before_any_route_is_looked_for(target: str) -> None:
    status, headers, body = made(CORS).ask("OPTIONS", target, PREFLIGHT)
    assert (status, body) == (204, b"")
    assert headers["access-control-allow-origin"] == ORIGIN
    assert headers["access-control-allow-methods"] == "GET, POST"
    assert headers["access-control-allow-headers"] == "x-token"
    assert headers["access-control-max-age"] == "600"


def test_options_that_is_no_preflight_is_the_routes() -> None:
    status, headers, _ = made(CORS).ask("OPTIONS", "/", {"Origin": ORIGIN})
    assert (status, headers["allow"]) == (204, "GET, HEAD, OPTIONS")
    assert "access-control-allow-methods" not in headers


def test_any_origin_is_a_star_unless_there_are_credentials() -> None:
    everyone = {"cors_origins": (b"*",), "cors_methods": b"GET", "cors_headers": b"*"}
    headers = made(everyone).ask("GET", "/", {"Origin": "null"})[1]
    assert (headers["access-control-allow-origin"], "vary" in headers) == ("*", False)
    assert made(everyone).ask("OPTIONS", "/", PREFLIGHT)[1]["access-control-allow-headers"] == "x-a"
    headers = made({**everyone, "cors_credentials": True}).ask("GET", "/", {"Origin": ORIGIN})[1]
    assert (headers["access-control-allow-origin"], headers["vary"]) == (ORIGIN, "Origin")


def test_errors_have_the_fields_too() -> None:
    """A page that may not read an error cannot tell why."""
    for target, status in (("/none", 404), ("/fails", 500)):
        it = made(CORS)
        it.add("GET", "/fails", lambda: 1 // 0)
        got, headers, _ = it.ask("GET", target, {"Origin": ORIGIN})
        assert (got, headers["access-control-allow-origin"]) == (status, ORIGIN)


def test_a_body_is_compressed_for_who_takes_it() -> None:
    it = made(GZIP)
    status, headers, body = it.ask("GET", "/", {"Accept-Encoding": "br, gzip;q=0.5"})
    assert (status, headers["content-encoding"], headers["vary"]) == (200, "gzip", "Accept-Encoding")
    assert gzip.decompress(body) == b"x" * 1000
    assert len(body) < 100
    for accept in ({}, {"Accept-Encoding": "gzip;q=0, *"}, {"Accept-Encoding": "br"}):
        _, headers, body = it.ask("GET", "/", accept)
        assert (headers.get("content-encoding"), headers["vary"]) == (None, "Accept-Encoding")
        assert body == b"x" * 1000


@pytest.mark.parametrize(
    "result",
    [
        "small",
        b"x" * 1000,
        ("x" * 1000, 200, {"Content-Encoding": "br"}),
        ("x" * 1000, 200, {"ETag": '"a"'}),
        ("x" * 1000, 206),
        ("x" * 1000, 200, {"Content-Type": "textual/plain"}),
        None,
    ],
)
def test_what_is_better_left_alone_is_left_alone(result: object) -> None:
    headers = made(GZIP, lambda: result).ask("GET", "/", {"Accept-Encoding": "gzip"})[1]
    assert headers.get("content-encoding") in {None, "br"}
    assert "vary" not in headers


def test_types_are_compared_without_their_parameters_and_in_any_case() -> None:
    for kind in ("Application/JSON; charset=utf-8", "TEXT/x"):
        it = made(GZIP, lambda kind=kind: ("x" * 1000, 200, {"Content-Type": kind}))
        assert it.ask("GET", "/", {"Accept-Encoding": "gzip"})[1]["content-encoding"] == "gzip"


def test_what_does_not_shrink_is_sent_as_it_is() -> None:
    it = made({**GZIP, "compress_min": 0}, lambda: "x")
    assert it.ask("GET", "/", {"Accept-Encoding": "gzip"})[2] == b"x"


def test_each_request_has_an_id_which_its_handler_knows() -> None:
    seen: list[Any] = []

    def handler(request: RequestBase) -> str:
        seen.append(request.state["request_id"])
        return "x"

    it = Made(policies=IDS)
    it.add("GET", "/", handler, leaf(REQUEST, ""))
    core = it.core()
    given = [it.ask("GET", "/", {"X-Request-Id": "mine"}, core=core)[1]["x-request-id"] for _ in range(3)]
    assert given == seen
    assert len(set(given)) == 3
    assert all(len(one) == 32 and int(one, 16) >= 0 for one in given)


@pytest.mark.parametrize(
    ("sent", "taken"),
    [("mine-1.A_b", True), ("x" * 128, True), ("x" * 129, False), ("a b", False), ("", False), ("é", False)],
)
def test_an_id_that_is_trusted_is_taken_if_it_is_one(sent: str, taken: bool) -> None:
    it = made({**IDS, "request_id_trust": True})
    got = it.ask("GET", "/", {"X-Request-Id": sent})[1]["x-request-id"]
    assert (got == sent) is taken


def test_a_limit_is_that_of_plans_without_one() -> None:
    it = Made(policies={"body_limit": 3})
    it.add("POST", "/", len, leaf(BYTES, ""))
    it.add("POST", "/own", len, leaf(BYTES, ""), body_limit=5)
    assert it.ask("POST", "/", body=b"1234")[0] == 413
    assert it.ask("POST", "/own", body=b"1234")[2] == b"4"
    assert it.core().call("POST", b"/", b"", []).body_limit == 3


@pytest.mark.parametrize(
    "policies",
    [
        {"cors_origins": [b"x"]},
        {"cors_origins": ("x",)},
        {"cors_methods": "GET"},
        {"cors_methods": b"a\nb"},
        {"compress_types": (b"x",), "compress_level": 10},
        {"request_id": b"a b"},
        {"body_limit": "x"},
    ],
)
def test_a_policy_of_another_type_is_refused(policies: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        Made(policies=policies).core()
