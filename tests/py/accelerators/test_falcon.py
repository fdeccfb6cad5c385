"""Falcon's router, accelerated or not: the same answers to whatever is asked."""

from typing import Any

import falcon
import pytest
from falcon.routing import CompiledRouter
from falcon.routing.compiled import UnacceptableRouteError
from hypothesis import given, settings
from hypothesis import strategies as st

import velocem

PIECES = ["a", "b", "ab", "{x}", "{x:int}", "v{x}", "{x}.json", "{x}-{y}", "{x:path}", "{x:uuid}"]
TEXTS = ["a", "b", "ab", "1", "v1", "a.json", "a-b", "", "é", "a b", "x\n"]


class Resource:
    def on_get(self, req: Any, resp: Any, **values: Any) -> None:
        resp.media = values


def numbered(pieces: list[str]) -> str:
    return "/" + "/".join(piece.replace("{x", f"{{x{i}").replace("{y", f"{{y{i}") for i, piece in enumerate(pieces))


# A slash at the end makes another path here.
TEMPLATE = st.tuples(
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map(numbered), st.sampled_from(["", "", "/"])
).map("".join)


def build(table: list[str]) -> Any:
    app = falcon.App()
    for template in table:
        try:
            app.add_route(template, Resource())
        except (UnacceptableRouteError, ValueError):
            continue
    return app


def found(app: Any, path: str) -> Any:
    try:
        answer = app._router_search(path, req=None)
    except SyntaxError:  # falcon's own generated code, of some tables with path
        return SyntaxError
    return answer and (type(answer[0]), sorted(answer[1]), answer[2], answer[3])


@settings(max_examples=200, deadline=None)
@given(
    table=st.lists(TEMPLATE, max_size=10),
    paths=st.lists(
        st.lists(st.sampled_from(TEXTS), max_size=5).map(lambda parts: "/" + "/".join(parts)), min_size=1, max_size=8
    ),
)
def test_falcon_answers_alike(table: list[str], paths: list[str]) -> None:
    plain, fast = build(table), build(table)
    velocem.accelerate(fast)
    for path in paths:
        assert found(fast, path) == found(plain, path), (path, table)


def test_routes_that_are_added_later_are_seen() -> None:
    app = velocem.accelerate(build(["/a", "/b/{x}"]))
    assert found(app, "/b/1")[2:] == ({"x": "1"}, "/b/{x}")
    assert found(app, "/c/1") is None
    app.add_route("/c/{y}", Resource())
    assert found(app, "/c/1")[2:] == ({"y": "1"}, "/c/{y}")


def test_another_router_is_left_alone() -> None:
    class Own(CompiledRouter):
        pass

    with pytest.raises(TypeError):
        velocem.accelerate(falcon.App(router=Own()))
