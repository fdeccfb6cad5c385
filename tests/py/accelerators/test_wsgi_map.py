"""Werkzeug's Map, accelerated or not: the same answers to whatever is asked."""

from typing import Any

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import Map, RequestRedirect, Rule

import velocem

PIECES = (
    "a b ab <x> <int:x> <int(min=2):x> <float:x> <uuid:x> <any(a,me):x> v<x> <x>.json <x>-<y> <path:x> "
    "<string(length=2):x> <string(maxlength=1):x>"
).split()
TEXTS = "a|b|ab|me|1|12|1.5|v1|a.json|a-b|0123abcd-0123-abcd-0123-0123456789ab||é|a b|x\n".split("|")


def numbered(pieces: list[str]) -> str:
    return "".join("/" + piece.replace("x>", f"x{i}>").replace("<y", f"<y{i}") for i, piece in enumerate(pieces))


RULE = st.tuples(
    st.lists(st.sampled_from(PIECES), max_size=4).map(numbered),
    st.booleans(),
    st.sampled_from([["GET"], ["POST"], None]),
    st.sampled_from(
        [
            {},
            {},
            {},
            {"strict_slashes": False},
            {"merge_slashes": False},
            {"websocket": True},
            {"subdomain": "s"},
            {"build_only": True},
            {"defaults": {"d": 1}},
            {"redirect_to": "elsewhere"},
            {"alias": True},
        ]
    ),
)


def build(table: list[Any], options: dict[str, Any]) -> Map:
    rules = []
    for number, (pattern, slash, methods, more) in enumerate(table):
        text = (pattern + "/" if slash else pattern) or "/"
        rules.append(Rule(text, endpoint=number, methods=None if "websocket" in more else methods, **more))
    return Map(rules, **options)


def outcome(url_map: Map, path: str, method: str, **more: Any) -> Any:
    adapter = url_map.bind("h.example", subdomain=more.pop("subdomain", None))
    try:
        return adapter.match(path, method, **more)
    except RequestRedirect as error:
        return "redirect", error.new_url, error.code
    except MethodNotAllowed as error:
        return "methods", sorted(error.valid_methods or ())
    except HTTPException as error:
        return type(error).__name__
    except Exception as error:  # its type is compared like an answer
        return repr(error)


@settings(max_examples=120, deadline=None)
@given(
    table=st.lists(RULE, max_size=10),
    options=st.sampled_from([{}, {"strict_slashes": False}, {"merge_slashes": False}, {"redirect_defaults": False}]),
    paths=st.lists(
        st.lists(st.sampled_from(TEXTS), max_size=5).map(lambda parts: "/" + "/".join(parts)), min_size=1, max_size=6
    ),
)
def test_a_map_answers_alike(table: list[Any], options: dict[str, Any], paths: list[str]) -> None:
    plain, fast = build(table, options), build(table, options)
    velocem.accelerate(fast)
    for path in paths:
        for method in ("GET", "POST"):
            for more in ({}, {"websocket": True}, {"subdomain": "s"}):
                assert outcome(fast, path, method, **more) == outcome(plain, path, method, **more), (path, table)


def flask_app() -> Flask:
    app = Flask(__name__)
    for i in range(200):
        app.add_url_rule(f"/r{i}/<int:x>/", f"r{i}", lambda x: f"{x}")
        app.add_url_rule(f"/p{i}", f"p{i}", lambda: "p", methods=["GET", "POST"])
    return app


def test_flask_answers_alike() -> None:
    plain, fast = flask_app().test_client(), velocem.accelerate(flask_app()).test_client()
    for path in ("/r3/7/", "/r3/7", "/r3/x/", "/p9", "/p9/", "/nothing", "/", "/static/none.css", "//r3/7/"):
        for method in ("GET", "POST", "HEAD", "OPTIONS", "PUT"):
            one, other = fast.open(path, method=method), plain.open(path, method=method)
            assert (one.status, dict(one.headers), one.data) == (other.status, dict(other.headers), other.data)


def test_rules_that_are_added_later_are_seen() -> None:
    app = velocem.accelerate(flask_app())
    assert app.test_client().get("/r1/7/").data == b"7"
    app.url_map.add(Rule("/later/<x>", endpoint="r1"))
    adapter = app.url_map.bind("h")
    assert adapter.match("/later/a") == ("r1", {"x": "a"})
    assert velocem.accelerate(app) is app


def test_a_path_that_only_one_rule_can_be_needs_no_state_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    from werkzeug.routing.matcher import StateMachineMatcher

    app = velocem.accelerate(flask_app())
    adapter = app.url_map.bind("h")
    monkeypatch.setattr(StateMachineMatcher, "match", None)
    assert adapter.match("/r42/7/") == ("r42", {"x": 7})


def test_what_has_no_map_is_refused() -> None:
    with pytest.raises(TypeError):
        velocem.accelerate(Rule("/a", endpoint="a"))
