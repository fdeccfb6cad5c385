"""The router answers like one that tries every route: on tables that are made up, and on known ones."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from router.naive import Naive, parse
from routers.routes import Answers, github, hits, misses, not_allowed

from velocem.router import BadPath, MethodNotAllowed, NotFound, RouteError, Router

TABLES = Path(__file__).parents[2] / "data" / "routes"

TEXTS = (
    "a|b|ab|abc|me|1|12|-1|1.5|2026-02-28|x-1|1-2.json|a.json|segments-alike-1|segments-alike-2|"
    "0123abcd-0123-abcd-0123-0123456789ab|é|a b|%41|"
).split("|")
SHAPES = (
    "{%s} {%s:int} {%s:float} {%s:date} {%s:uuid} {%s:enum(a,b,me)} {%s:re([ab]+)} {%s}.json {%s:int}.json x-{%s} "
    "{%s}-{%sz} {%s}-{%sz}.json"
).split()


@st.composite
def patterns(draw: st.DrawFn) -> str:
    segments = draw(st.lists(st.sampled_from([*TEXTS[:-1], *SHAPES, *SHAPES]), min_size=0, max_size=5))
    named = [text.replace("%s", f"p{i}") if "%s" in text else text for i, text in enumerate(segments)]
    end = draw(st.sampled_from(["", "", "/", "/{rest:path}", "/v{rest:path}"]))
    return "/" + "/".join(named) + end if named else end or "/"


PATHS = st.lists(st.sampled_from(TEXTS), max_size=6).map(lambda parts: "/" + "/".join(parts))
METHODS = ["GET", "POST"]


def answer(router: Router, method: str, path: str) -> Any:
    try:
        return router.lookup(method, path, decoded=True)
    except NotFound:
        return None
    except MethodNotAllowed as error:
        return set(error.allow)


@settings(max_examples=150, deadline=None)
@given(
    routes=st.lists(st.tuples(st.sampled_from(METHODS), patterns()), max_size=14),
    paths=st.lists(PATHS, min_size=1, max_size=12),
)
def test_like_one_that_tries_every_route(routes: list[tuple[str, str]], paths: list[str]) -> None:
    router, naive = Router(slash="strict"), Naive()
    for number, (method, pattern) in enumerate(routes):
        try:
            router.add(method, pattern, number)
        except RouteError:
            continue
        naive.add(method, pattern, number)
    # Each pattern's own text is a path too, which is nearer to what there is.
    for path in [*paths, *(pattern for _, pattern in routes)]:
        for method in [*METHODS, "HEAD", "PUT"]:
            assert answer(router, method, path) == naive.ask(method, path), (path, routes)


@settings(max_examples=150, deadline=None)
@given(path=st.one_of(st.text(), st.binary(), st.text(alphabet="/%0a2fF\0é.", max_size=300)).map(
    lambda text: "/" + text if isinstance(text, str) else b"/" + text))  # fmt: skip
def test_whatever_the_path_is_there_is_an_answer(path: str | bytes) -> None:
    router = Router()
    for pattern in ("/", "/{a}", "/{a}/{b:int}", "/{a}.{b}/c", "/x/{rest:path}", "/{u:uuid}", "/{f:float}"):
        router.add("GET", pattern, pattern)
    for decoded in (False, True):
        try:
            target, params = router.lookup("GET", path, decoded=decoded)
        except (NotFound, BadPath):
            continue
        assert {piece[0] for piece in Router._pieces(target) if isinstance(piece, tuple)} == params.keys()


def table(name: str) -> list[tuple[str, str]]:
    lines = (TABLES / f"{name}.txt").read_text().splitlines()
    return [(line.split()[0], line.split()[1]) for line in lines if not line.startswith("#")]


def filled(pattern: str) -> str:
    return "/".join(
        "some-value"
        if segment.names and segment.kinds[0][0] == "str"
        else "a/b"
        if segment.names
        else segment.literals[0]
        for segment in [parse("/")[0], *parse(pattern)]
    )


@pytest.mark.parametrize(("name", "count"), [("static", 157), ("gplus", 13), ("parse", 26), ("kubernetes", 220)])
def test_tables_that_others_are_compared_by(name: str, count: int) -> None:
    routes = table(name)
    router, naive = Router(slash="strict"), Naive()
    for number, (method, pattern) in enumerate(routes):
        router.add(method, pattern, number)
        naive.add(method, pattern, number)
    assert len(router.routes) == count
    for number, (method, pattern) in enumerate(routes):
        path = filled(pattern)
        assert router.lookup(method, path)[0] == number
        for other in (path + "/", path + "/more", path.rpartition("/")[0]):
            for asked in ("GET", "HEAD"):
                assert answer(router, asked, other) == naive.ask(asked, other)


def test_github() -> None:
    routes = github()
    router, answers = Router(slash="strict"), Answers(routes)
    for route in routes:
        router.add(route.method, route.path, route.target)
    assert len(routes) == 203
    for method, path in hits(routes) + misses(routes) + not_allowed(routes):
        right = answers.right(method, path)
        found = answer(router, method, path)
        if isinstance(right, tuple):
            assert found == right
        elif method != "HEAD":
            assert (found is None) == (right == "no such path")


def test_many_routes_cost_no_more_steps() -> None:
    """The work is told by the nodes and edges that are looked at, which no load of the machine changes."""

    def steps(count: int) -> int:
        router = Router()
        for number in range(count):
            router.add("GET", f"/section-{number}/items/{{id}}", number)
        return max(
            router._visited("GET", f"/section-{number}/items/7") for number in range(0, count, max(1, count // 50))
        )

    assert steps(10_000) <= steps(10)


def test_no_table_makes_a_path_exponential() -> None:
    router = Router()
    for bits in range(2**8):
        router.add("GET", "".join(f"/{{p{i}}}" if bits >> i & 1 else "/a" for i in range(8)), bits)
    assert router._visited("GET", "/a" * 8 + "/b") <= 2 * 2**8 + 2**8
    assert router._visited("GET", "/a" * 30_000) <= 2 * 2**8 + 2**8
    assert router._visited("GET", "/" + "x" * 100_000) <= 10
