"""Tables that other routers are tested with: where each path leads, and what its parameters are."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from velocem.router import NotFound, RouteError, Router

TABLES = Path(__file__).parents[2] / "data" / "routes"


class Table(NamedTuple):
    source: str
    routes: tuple[str, ...]
    paths: tuple[tuple[str, str, dict[str, str]], ...]

    def __repr__(self) -> str:
        return f"{self.source}-{self.routes[0]}"


def read(text: str, source: str) -> Table:
    lines = [line.split() for line in text.splitlines()]
    return Table(
        source,
        tuple(words[1] for words in lines if words[0] == "+"),
        tuple(
            (words[0], words[1], dict(word.split("=", 1) for word in words[2:])) for words in lines if words[0] != "+"
        ),
    )


def tables() -> Iterator[Table]:
    for source in ("matchit", "compound"):
        _comment, *blocks = (TABLES / f"{source}.txt").read_text().split("\n\n")
        yield from (read(block, source) for block in blocks)


@pytest.mark.parametrize("turned", [False, True], ids=["in-order", "turned"])
@pytest.mark.parametrize("table", list(tables()), ids=repr)
def test_each_path_leads_where_the_table_says(table: Table, turned: bool) -> None:
    router = Router()
    for route in reversed(table.routes) if turned else table.routes:
        router.add("GET", route, route)
    for path, route, params in table.paths:
        if route == "-":
            with pytest.raises(NotFound):
                router.lookup("GET", path)
        else:
            assert router.lookup("GET", path) == (route, params), path


# From the same two sources: what they refuse when it is added.
@pytest.mark.parametrize(
    "routes",
    [
        ("/teams/{id}", "/teams/{conflict}"),
        ("/a/{x}:{y}...{z}", "/a/{one}:{two}...{three}"),
        ("/{field}{field}",),
        ("/{field}...{field}",),
        ("/{field}/{another}/{field}",),
        ("/{}",),
        ("/{9v}",),
        ("/hello/{1world}",),
        ("/{@name}",),
        ("/{th ing}/world",),
        ("/foo/{bar:unknown}/baz",),
        ("/src/{file:path}", "/src/{other:path}"),
    ],
    ids=lambda routes: routes[-1],
)
def test_conflicts_and_mistakes_are_refused(routes: tuple[str, ...]) -> None:
    router = Router()
    *before, last = routes
    for route in before:
        router.add("GET", route, route)
    with pytest.raises(RouteError):
        router.add("GET", last, last)
