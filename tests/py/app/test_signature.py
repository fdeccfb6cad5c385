"""Where arguments come from, by the order of the rules; and what is said of those that come from nowhere."""

import dataclasses
import functools
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pytest

from velocem._core import MISSING
from velocem.exceptions import StartError
from velocem.params import Body, Cookie, Depends, Form, Header, Name, Path, Query
from velocem.signature import Signature, Surroundings, read


class New(msgspec.Struct):
    name: str


@dataclasses.dataclass
class Db:
    """Which is a model, if nothing provides it."""

    url: str = ""


class Plain:
    """Which nobody can read."""


class Request:
    """In the place of the one that there is."""


SPECIAL = {Request: "request"}


def reading(function: Callable[..., Any], path: dict[str, str] | None = None, **more: Any) -> Signature:
    return read(function, Surroundings(path or {}, SPECIAL, **more))


def sources(function: Callable[..., Any], path: dict[str, str] | None = None, **more: Any) -> list[str]:
    return [one.source for one in reading(function, path, **more).parameters]


def test_each_rule_has_its_turn() -> None:
    def handler(
        id: int,
        req: Request,
        auth: Header[str],
        sid: Cookie[str],
        page: Query[int],
        user: Annotated[str, Depends(str)],
        db: Db,
        new: New,
        q: str,
        tags: list[str],
    ) -> None: ...

    told = sources(handler, {"id": "str"}, provided={Db})
    assert told == ["path", "request", "header", "cookie", "query", "depends", "type", "body", "query", "query"]


def test_a_name_in_the_path_comes_before_everything() -> None:
    def handler(req: int) -> None: ...

    assert sources(handler, {"req": "str"}) == ["path"]


def test_what_is_marked_comes_before_what_is_provided() -> None:
    def handler(db: Body[Db]) -> None: ...

    assert sources(handler, provided={Db}) == ["body"]
    assert sources(lambda: None) == []


def test_a_model_without_a_provider_is_the_body() -> None:
    def handler(db: Db) -> None: ...

    assert sources(handler) == ["body"]


def test_a_subclass_of_something_special_is_it_too() -> None:
    class Mine(Request):
        pass

    def handler(req: Mine) -> None: ...

    assert sources(handler) == ["request"]


def test_a_type_or_none_is_provided_as_the_type() -> None:
    def handler(db: Db | None) -> None: ...

    (one,) = reading(handler, provided={Db}).parameters
    assert (one.source, one.kind) == ("type", Db)


def test_names_on_the_wire() -> None:
    def handler(
        x_api_key: Header[str],
        since: Annotated[Query[date | None], Name("from")] = None,
        agent: Annotated[Header[str], Name("User-Agent")] = "",
        user_id: Cookie[str] = "",
    ) -> None: ...

    assert [one.wire for one in reading(handler).parameters] == ["x-api-key", "from", "user-agent", "user_id"]


def test_leaves_are_as_the_core_takes_them() -> None:
    def handler(
        id: int,
        page: int = 1,
        ratio: float = 0.5,
        on: bool = False,
        tags: list[int] = [],
        raw: Body[bytes] = b"",
    ) -> None: ...

    assert [one.leaf for one in reading(handler, {"id": "int"}).parameters] == [
        (1, "id", None, 0, MISSING),
        (2, "page", 1, 0, 1),
        (2, "ratio", 2, 0, 0.5),
        (2, "on", 3, 0, False),
        (2, "tags", 1, 1, []),
        (8, "raw", None, 0, b""),
    ]


@pytest.mark.parametrize(
    ("pattern", "kind", "convert"),
    [
        ("str", str, 0),
        ("str", int, 1),
        ("int", int, None),
        ("uuid", UUID, None),
        ("date", date, None),
        ("path", str, 0),
    ],
)
def test_path_parameters_are_converted_once(pattern: str, kind: Any, convert: int | None) -> None:
    def handler(id: Any) -> None: ...

    handler.__annotations__["id"] = kind
    (one,) = reading(handler, {"id": pattern}).parameters
    assert one.convert == convert


def test_a_path_parameter_needs_no_annotation() -> None:
    def handler(id, rest) -> None: ...  # type: ignore[no-untyped-def] # noqa: ANN001

    assert [one.kind for one in reading(handler, {"id": "int", "rest": "mine"}).parameters][:1] == [int]


def test_a_constraint_in_the_path_is_checked() -> None:
    def handler(id: Annotated[int, msgspec.Meta(ge=1)]) -> None: ...

    (one,) = reading(handler, {"id": "int"}).parameters
    with pytest.raises(ValueError, match=">= 1"):
        one.convert(0)


def test_a_form_may_be_a_model() -> None:
    def handler(new: Form[New]) -> None: ...

    (one,) = reading(handler).parameters
    assert (one.source, [field.leaf[:2] for field in one.fields]) == ("model", [(5, "name")])
    assert one.convert({"name": "a"}) == New("a")


def test_annotations_that_are_text_are_read() -> None:
    def handler(page: "int", new: "New") -> "None": ...

    assert sources(handler) == ["query", "body"]


def test_partials_classes_and_callables_are_read() -> None:
    class Paging:
        def __init__(self, page: int = 1) -> None: ...

    class Called:
        def __call__(self, page: int) -> None: ...

    def both(db: str, page: int) -> None: ...

    assert sources(Paging) == ["query"]
    assert sources(Called()) == ["query"]
    assert sources(functools.partial(both, "x")) == ["query"]


def test_keyword_arguments_are_passed_by_name() -> None:
    def handler(a: int, *, b: int, c: int = 3) -> tuple[int, int, int]:
        return a, b, c

    assert reading(handler).positional(1, 2, 4) == (1, 2, 4)


def test_a_literal_is_a_scalar() -> None:
    def handler(order: Literal["up", "down"] = "up") -> None: ...

    (one,) = reading(handler).parameters
    assert one.convert("down") == "down"
    with pytest.raises(ValueError, match="sideways"):
        one.convert("sideways")


def no_annotation(x) -> None: ...  # type: ignore[no-untyped-def] # noqa: ANN001
def any_class(x: Plain) -> None: ...
def any_dict(x: dict[str, int]) -> None: ...
def two_bodies(x: New, y: New) -> None: ...
def body_and_form(x: New, y: Form[str]) -> None: ...
def not_in_the_path(x: Path[int]) -> None: ...
def model_in_the_path(id: New) -> None: ...
def header_of_a_model(x: Header[New]) -> None: ...
def any_number(*x: int) -> None: ...
def other_than_the_pattern(n: str) -> None: ...
def never_imported(x: "Nowhere") -> None: ...  # type: ignore[name-defined] # noqa: F821


@pytest.mark.parametrize(
    ("function", "said", "fixes"),
    [
        (no_annotation, "'x' has no annotation", ["x: str"]),
        (any_class, "'x' is Plain: nothing provides it", ["@app.provide", "Struct"]),
        (any_dict, "'x' is dict[str, int]", ["Body[dict[str, int]]"]),
        (two_bodies, "'y' would be the body, which is x already", ["one model", "provider"]),
        (body_and_form, "'y' would be the body", ["one model"]),
        (not_in_the_path, "'x' is Path, and the path has no {x}", ["{x} in the path", "Query"]),
        (model_in_the_path, "'id' is in the path", ["id: str"]),
        (header_of_a_model, "'x' is header, and New is neither", ["x: str", "Body[New]"]),
        (any_number, "'x' takes any number", ["Request"]),
        (other_than_the_pattern, "'n' is int by {n:int}, and annotated as str", ["n: int", "{n}"]),
        (never_imported, "cannot be read: name 'Nowhere'", ["import"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_comes_from_nowhere_stops_the_start(function: Callable[..., Any], said: str, fixes: list[str]) -> None:
    with pytest.raises(StartError) as caught:
        reading(function, {"id": "str", "n": "int"} if function in {model_in_the_path, other_than_the_pattern} else {})
    text = str(caught.value)
    assert f"{__file__}:{function.__code__.co_firstlineno}: " in text
    assert function.__name__ in text
    assert said in text
    first, second = text.split("\n")[1:]
    assert first.startswith("  either ")
    assert second.startswith("  or ")
    assert all(fix in text for fix in fixes)


def test_get_has_no_body() -> None:
    def handler(new: New) -> None: ...

    with pytest.raises(StartError, match="GET has none"):
        reading(handler, body=False)
