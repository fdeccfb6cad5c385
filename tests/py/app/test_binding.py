"""Types and the wire: what parameters and bodies become, and where it is said what is wrong with them."""

import dataclasses
import enum
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType, TypedDict
from uuid import UUID

import attrs
import msgspec
import pydantic
import pytest

from velocem import binding
from velocem.exceptions import Invalid


class Item(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(min_length=1)]
    price: float


class Order(msgspec.Struct):
    items: list[Item]
    notes: dict[str, int] = {}


class Renamed(msgspec.Struct, rename="camel"):
    first_name: str
    tags: list[int] = []


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


class Pair(TypedDict):
    left: int
    right: int


@attrs.define
class Box:
    width: int


class Model(pydantic.BaseModel):
    name: str = pydantic.Field(min_length=2)
    size: int = 1


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


UserId = NewType("UserId", int)
Small = Annotated[int, msgspec.Meta(le=10)]

MODELS = [Item, Order, Point, Pair, Box, Model, list[Item], Item | Point, Annotated[Item, "said of it"]]


@pytest.mark.parametrize("kind", MODELS, ids=str)
def test_models_are_told_from_scalars(kind: Any) -> None:
    assert binding.holds_model(kind)
    assert not binding.is_scalar(kind)


@pytest.mark.parametrize(
    "kind",
    [str, int, date, UUID, Decimal, Colour, Literal["a", "b"], int | str, UserId, Small, bool, datetime],
    ids=str,
)
def test_scalars_are_told_from_models(kind: Any) -> None:
    assert binding.is_scalar(kind)
    assert not binding.holds_model(kind)


@pytest.mark.parametrize("kind", [object, dict, dict[str, int], bytes, Exception, Any, list[int]], ids=str)
def test_the_rest_is_neither(kind: Any) -> None:
    assert not binding.is_scalar(kind)
    assert not binding.holds_model(kind)


@pytest.mark.parametrize(("kind", "number"), [(str, 0), (int, 1), (float, 2), (bool, 3), (UserId, 1)])
def test_the_core_converts_what_it_can(kind: Any, number: int) -> None:
    assert binding.converter(kind) == number


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (date, "2026-02-03", date(2026, 2, 3)),
        (Colour, "red", Colour.RED),
        (Literal["a", "b"], "b", "b"),
        (Literal[1, 2], "2", 2),
        (UUID, "12345678-1234-5678-1234-567812345678", UUID("12345678-1234-5678-1234-567812345678")),
        (Decimal, "1.50", Decimal("1.50")),
        (Small, "7", 7),
        (Annotated[int, pydantic.Field(gt=3)], "4", 4),
    ],
)
def test_the_rest_is_converted_here(kind: Any, text: str, value: Any) -> None:
    convert = binding.converter(kind)
    assert not isinstance(convert, int)
    assert convert(text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (date, "tomorrow"),
        (Colour, "green"),
        (Literal["a"], "b"),
        (Small, "11"),
        (UUID, "1"),
        (Annotated[int, pydantic.Field(gt=3)], "3"),
    ],
)
def test_what_cannot_be_converted_is_a_value_error_with_a_text(kind: Any, text: str) -> None:
    convert = binding.converter(kind)
    assert not isinstance(convert, int)
    with pytest.raises(ValueError, match=r"."):
        convert(text)


@pytest.mark.parametrize(
    ("given", "left"),
    [
        (int | None, int),
        (Annotated[int | None, msgspec.Meta(le=3)], Annotated[int, msgspec.Meta(le=3)]),
        (int, int),
        (None, None),
        (int | str | None, int | str),
    ],
)
def test_none_is_what_is_absent(given: Any, left: Any) -> None:
    assert binding.without_none(given) == left


@pytest.mark.parametrize(
    ("kind", "item"), [(list[int], int), (Sequence[str], str), (list, str), (int, None), (dict[str, int], None)]
)
def test_lists_have_items(kind: Any, item: Any) -> None:
    assert binding.item_of(kind) is item


@pytest.mark.parametrize(
    ("kind", "data", "value"),
    [
        (Item, b'{"name":"a","price":1}', Item("a", 1.0)),
        (Point, b'{"x":1}', Point(1, 0)),
        (Pair, b'{"left":1,"right":2}', {"left": 1, "right": 2}),
        (Box, b'{"width":3}', Box(3)),
        (Model, b'{"name":"ab"}', Model(name="ab")),
        (list[Model], b'[{"name":"ab"}]', [Model(name="ab")]),
        (dict[str, int], b'{"a":1}', {"a": 1}),
    ],
)
def test_a_body_becomes_a_model(kind: Any, data: bytes, value: Any) -> None:
    assert binding.decoder(kind)(data) == value


def explained(kind: Any, data: bytes) -> tuple[int, list[Any]]:
    with pytest.raises(ValueError, match=r".") as caught:
        binding.decoder(kind)(data)
    status, errors = binding.explain(caught.value)
    assert all(error["msg"] for error in errors)
    return status, [error["loc"] for error in errors]


@pytest.mark.parametrize(
    ("kind", "data", "locs"),
    [
        (Item, b"{}", [["body", "name"]]),
        (Item, b'{"name":"","price":1}', [["body", "name"]]),
        (Item, b'{"name":"a","price":"x"}', [["body", "price"]]),
        (Item, b"[]", [["body"]]),
        (Order, b'{"items":[{"name":"a","price":1},{"name":"b"}]}', [["body", "items", 1, "price"]]),
        (Order, b'{"items":[],"notes":{"a":"b"}}', [["body", "notes", "*"]]),
        (list[Item], b'[{"name":1}]', [["body", 0, "name"]]),
        (Renamed, b"{}", [["body", "firstName"]]),
        (Point, b'{"x":1.5}', [["body", "x"]]),
        (Model, b'{"name":"a","size":"big"}', [["body", "name"], ["body", "size"]]),
        (list[Model], b'[{"name":"ab"},{}]', [["body", 1, "name"]]),
    ],
)
def test_what_is_wrong_with_a_body_is_said_where_it_is(kind: Any, data: bytes, locs: list[Any]) -> None:
    assert explained(kind, data) == (422, locs)


@pytest.mark.parametrize("kind", [Item, Model])
@pytest.mark.parametrize(
    "data", [b"{", b'{"name": nope}', b"", b'{"name":"a","price":1} x', b'{"name":"\xff","price":1}']
)
def test_what_is_no_json_is_malformed(kind: Any, data: bytes) -> None:
    status, _ = explained(kind, data)
    assert status == 400


def test_an_error_of_somebody_else_is_wrong_input() -> None:
    assert binding.explain(ValueError("no")) == (422, [{"loc": ["body"], "msg": "no"}])
    told = Invalid([{"loc": ["body", "a"], "msg": "is odd"}])
    assert binding.explain(told) == (422, told.errors)


def test_a_model_is_built_of_texts() -> None:
    assert binding.builder(Point, "form")({"x": "1"}) == Point(1, 0)
    assert binding.builder(Model, "form")({"name": "ab", "size": "2"}) == Model(name="ab", size=2)
    for kind, values, loc in [(Point, {"x": "a"}, ["form", "x"]), (Model, {}, ["form", "name"])]:
        with pytest.raises(Invalid) as caught:
            binding.builder(kind, "form")(values)
        assert caught.value.errors[0]["loc"] == loc


def test_fields_have_the_names_of_the_wire() -> None:
    assert [(one.name, one.many) for one in binding.fields_of(Renamed)] == [("firstName", False), ("tags", True)]
    assert [one.name for one in binding.fields_of(Model)] == ["name", "size"]
    assert [one.name for one in binding.fields_of(Box)] == ["width"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Item("a", 1.0), b'{"name":"a","price":1.0}'),
        ([Point(1, 2)], b'[{"x":1,"y":2}]'),
        (Model(name="ab"), b'{"name":"ab","size":1}'),
        ({"deep": [Model(name="ab")]}, b'{"deep":[{"name":"ab","size":1}]}'),
        (date(2026, 1, 2), b'"2026-01-02"'),
    ],
)
def test_anything_known_is_written(value: Any, text: bytes) -> None:
    assert binding.encode(value) == text


def test_what_nobody_knows_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="object"):
        binding.encode(object())


@pytest.mark.parametrize("returns", [Item, list[Item], Model, dict[str, Model], list[Model], Item | Point])
def test_an_annotation_of_models_has_an_encoder(returns: Any) -> None:
    assert binding.encoder(returns) is not None


@pytest.mark.parametrize("returns", [str, None, Item | None, tuple[Item, int], dict[str, int], Item | str, Any])
def test_any_other_annotation_leaves_it_to_the_value(returns: Any) -> None:
    assert binding.encoder(returns) is None


def test_an_encoder_writes_what_it_is_for() -> None:
    for returns, value in [(Item, Item("a", 1.0)), (Model, Model(name="ab")), (list[Model], [Model(name="ab")])]:
        encode = binding.encoder(returns)
        assert encode is not None
        assert encode(value) == binding.encode(value)
