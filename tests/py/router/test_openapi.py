"""Paths as OpenAPI documents have them: two large ones, and what the standard says of templates (3.1, 4.8.8)."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from velocem.router import MethodNotAllowed, RouteError, Router

DOCUMENTS = Path(__file__).parents[2] / "data" / "openapi"
PARAMETER = re.compile("{[^}]*}")


class Operation(NamedTuple):
    method: str
    template: str

    @property
    def name(self) -> str:
        return f"{self.method} {self.template}"


def operations(document: str) -> Iterator[Operation]:
    for line in (DOCUMENTS / f"{document}.txt").read_text().splitlines():
        if not line.startswith("#"):
            *methods, template = line.split()
            template = PARAMETER.sub(lambda name: name[0].replace("-", "_"), template)  # a parameter's name is Python's
            yield from (Operation(method, template) for method in methods)


def names(template: str) -> list[str]:
    return [piece[0] for piece in Router._pieces(template) if isinstance(piece, tuple)]


def values(template: str) -> dict[str, str]:
    """One for each parameter, none like another or like a text of a template."""
    return {name: f"{number}-of {name}é" for number, name in enumerate(names(template))}


def encoded(template: str) -> str:
    path = template
    for number, name in enumerate(names(template)):
        path = path.replace("{" + name + "}", f"{number}-of%20{name}%C3%A9")
    return path


def routed(document: str) -> tuple[Router, list[Operation]]:
    """Those with the most parameters first, so that nothing is won by the order."""
    found = sorted(operations(document), key=lambda each: -each.template.count("{"))
    router = Router()
    for operation in found:
        router.add(operation.method, operation.template, operation, name=operation.name)
    return router, found


@pytest.mark.parametrize(("document", "paths", "count"), [("github", 811, 1223), ("stripe", 466, 648)])
def test_every_operation_of_a_document_is_found_and_built(document: str, paths: int, count: int) -> None:
    router, found = routed(document)
    assert len(router.routes) == count
    assert len({operation.template for operation in found}) == paths
    for operation in found:
        right, path = values(operation.template), encoded(operation.template)
        assert router.lookup(operation.method, path) == (operation, right)
        assert router.url(operation.name, **right) == path


@pytest.mark.parametrize("document", ["github", "stripe"])
def test_a_path_has_at_least_the_methods_of_its_operations(document: str) -> None:
    router, found = routed(document)
    methods: dict[str, set[str]] = {}
    for operation in found:
        methods.setdefault(operation.template, set()).add(operation.method)
    for template, allowed in methods.items():
        with pytest.raises(MethodNotAllowed) as error:
            router.lookup("TRACE", encoded(template))
        assert allowed <= set(error.value.allow)
        assert allowed <= set(router.allowed(encoded(template)))


def test_a_concrete_path_is_matched_before_a_template() -> None:
    router = Router()
    router.add("GET", "/pets/{petId}", "template")
    router.add("GET", "/pets/mine", "concrete")
    assert router.lookup("GET", "/pets/mine") == ("concrete", {})
    assert router.lookup("GET", "/pets/yours") == ("template", {"petId": "yours"})


def test_templates_that_differ_in_the_names_only_are_one_path() -> None:
    router = Router()
    router.add("GET", "/pets/{petId}", 1)
    with pytest.raises(RouteError, match="is there already"):
        router.add("GET", "/pets/{name}", 2)


def test_where_the_standard_leaves_it_open_the_first_segment_decides() -> None:
    router = Router()
    router.add("GET", "/{entity}/me", "entity")
    router.add("GET", "/books/{id}", "books")
    assert router.lookup("GET", "/books/me") == ("books", {"id": "me"})
    assert router.lookup("GET", "/people/me") == ("entity", {"entity": "people"})
