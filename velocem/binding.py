"""Types and the wire: what reads a value from text or from JSON, and what writes one as JSON.

msgspec does it for its Structs, dataclasses, TypedDicts, attrs classes and everything built in; pydantic for its
models. Each is imported when a type needs it, not before.
"""

import enum
import functools
import re
import sys
import types
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType, Union, cast, get_args, get_origin
from uuid import UUID

from velocem.exceptions import FieldError, Invalid

# What the core converts by itself.
STR, INT, FLOAT, BOOL = range(4)
NATIVE: dict[Any, int] = {str: STR, int: INT, float: FLOAT, bool: BOOL}

SCALARS = (str, int, float, bool, date, datetime, time, timedelta, Decimal, UUID)
MANY = (list, Sequence, Iterable, Collection)
CONSTRAINTS = ("pydantic", "annotated_types")

Convert = Callable[[Any], Any]
Pieces = list[str | int]


# --- looking at types


def unwrap(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """Without Annotated, NewType and aliases of ``type``: the type, and all metadata on the way."""
    metadata: tuple[Any, ...] = ()
    while True:
        if get_origin(kind) is Annotated:
            metadata = (*metadata, *kind.__metadata__)
            kind = kind.__origin__
        elif isinstance(kind, NewType):
            kind = kind.__supertype__
        elif type(kind).__name__ == "TypeAliasType":
            kind = kind.__value__
        else:
            return kind, metadata


def members(kind: Any) -> tuple[Any, ...]:
    """Of a union; else the type alone."""
    return get_args(kind) if get_origin(kind) in {Union, types.UnionType} else (kind,)


def without_none(kind: Any) -> Any:
    """``X`` of ``X | None``, since what is absent has its default; Annotated stays around it."""
    bare, metadata = unwrap(kind)
    kept = [one for one in members(bare) if one is not types.NoneType]
    if len(kept) in {0, len(members(bare))}:
        return kind
    union = functools.reduce(lambda left, right: left | right, kept)
    return functools.reduce(lambda inner, about: Annotated[inner, about], metadata, union)


def item_of(kind: Any) -> Any | None:
    """Of a list or another sequence, what each is; None for anything else."""
    bare, _ = unwrap(kind)
    if bare in MANY:
        return str
    return get_args(bare)[0] if get_origin(bare) in MANY else None


def is_scalar(kind: Any) -> bool:
    """Whether one word of a query may be one: numbers, text, dates, enumerations, literals, a choice of them."""
    bare, _ = unwrap(kind)
    if len(members(bare)) > 1:
        return all(is_scalar(one) for one in members(bare))
    if get_origin(bare) is Literal:
        return True
    return bare in SCALARS or (isinstance(bare, type) and issubclass(bare, enum.Enum))


def is_pydantic(kind: Any) -> bool:
    """A model of pydantic's, or a dataclass that it validates."""
    return isinstance(kind, type) and hasattr(kind, "__pydantic_validator__")


def is_model(kind: Any) -> bool:
    """A class with named and typed fields: Struct, dataclass, TypedDict, attrs class, pydantic model."""
    bare, _ = unwrap(kind)
    origin = get_origin(bare) or bare
    if not isinstance(origin, type):
        return False
    fields = ("__struct_fields__", "__dataclass_fields__", "__attrs_attrs__", "__pydantic_validator__")
    return any(hasattr(origin, name) for name in fields) or is_typed_dict(origin)


def is_typed_dict(kind: Any) -> bool:
    """Also one of typing_extensions."""
    return dict in getattr(kind, "__mro__", ()) and hasattr(kind, "__total__")


def inside(kind: Any) -> Iterator[Any]:
    """The type and all types that it is made of, but for the fields of models."""
    bare, _ = unwrap(kind)
    yield bare
    if get_origin(bare) is not Literal:
        for one in get_args(bare):
            yield from inside(one)


def holds_model(kind: Any) -> bool:
    """A model, a list of them, a choice of them."""
    return any(is_model(one) for one in inside(kind))


def wants_pydantic(kind: Any) -> bool:
    return any(is_pydantic(one) for one in inside(kind)) or any(
        type(about).__module__.partition(".")[0] in CONSTRAINTS for about in unwrap(kind)[1]
    )


# --- reading


def converter(kind: Any) -> int | Convert:
    """What makes a scalar of its text: a number that the core knows, or a function that raises ValueError."""
    bare, _ = unwrap(kind)
    if wants_pydantic(kind):
        adapter = adapter_of(kind)
        return lambda text: pydantic_convert(adapter, text)
    if bare in NATIVE and not is_constrained(kind):
        return NATIVE[bare]
    import msgspec  # noqa: PLC0415

    return functools.partial(msgspec.convert, type=kind, strict=False)


TRUE, FALSE = frozenset({"true", "1", "on", "yes"}), frozenset({"false", "0", "off", "no"})


def read_bool(text: str) -> bool:
    """As the core does."""
    word = text.lower()
    if word not in TRUE | FALSE:
        raise ValueError("expected true or false")
    return word in TRUE


def in_python(native: int) -> Convert:
    """What the core does for one of its numbers, where it has to be done later."""
    kinds: tuple[Convert, ...] = (str, int, float, read_bool)
    return kinds[native]


def is_constrained(kind: Any) -> bool:
    """Whether its metadata says more of a value than its type."""
    known = ("msgspec", *CONSTRAINTS)
    return any(type(about).__module__.partition(".")[0] in known for about in unwrap(kind)[1])


def decoder(kind: Any) -> Convert:
    """What makes a value of a JSON body; what it raises is for explain()."""
    if wants_pydantic(kind):
        return cast("Convert", adapter_of(kind).validate_json)
    import msgspec  # noqa: PLC0415

    return msgspec.json.Decoder(kind).decode


def explain(error: ValueError) -> tuple[int, list[FieldError]]:
    """400 for a body that is no JSON, else 422; and what is wrong with it, of whoever found it."""
    if isinstance(error, Invalid):
        return 422, error.errors
    if getattr(error, "malformed", False) or isinstance(error, UnicodeDecodeError):
        return 400, [{"loc": ["body"], "msg": str(error)}]
    msgspec, pydantic = sys.modules.get("msgspec"), sys.modules.get("pydantic")
    if msgspec is not None and isinstance(error, msgspec.DecodeError):
        if isinstance(error, msgspec.ValidationError):
            return 422, [locate(str(error))]
        return 400, [{"loc": ["body"], "msg": str(error)}]
    if pydantic is not None and isinstance(error, pydantic.ValidationError):
        found = cast("Any", error).errors(include_url=False, include_context=False, include_input=False)
        status = 400 if found[0]["type"] == "json_invalid" else 422
        return status, [{"loc": ["body", *one["loc"]], "msg": one["msg"]} for one in found]
    return 422, [{"loc": ["body"], "msg": str(error)}]


def pydantic_convert(adapter: Any, text: str) -> Any:
    """A scalar of a model that pydantic's constraints stand on."""
    import pydantic  # noqa: PLC0415

    try:
        return adapter.validate_python(text)
    except pydantic.ValidationError as error:
        raise ValueError("; ".join(one["msg"] for one in error.errors())) from None


def adapter_of(kind: Any) -> Any:
    import pydantic  # noqa: PLC0415

    return pydantic.TypeAdapter(kind)


PLACE = re.compile(r" - at (?P<key>`key` in )?`\$(?P<path>.*)`$", re.DOTALL)
STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
MISSING_FIELD = re.compile(r"Object missing required field `(.*)`$", re.DOTALL)


def locate(text: str, root: str = "body") -> FieldError:
    """Where and what of an error of msgspec's, which says it as ``Expected `int`, got `str` - at `$.items[0].id```."""
    found = PLACE.search(text)
    loc: Pieces = [root]
    if found is not None:
        text = text[: found.start()]
        loc += [step_of(*one.groups()) for one in STEP.finditer(found["path"])]
    missing = MISSING_FIELD.match(text)
    if missing is None:
        return {"loc": loc, "msg": text}
    return {"loc": [*loc, missing[1]], "msg": "is missing"}


def step_of(name: str | None, number: str | None) -> str | int:
    if name is not None:
        return name
    return int(number) if number and number.isdigit() else "*"  # msgspec does not tell which key of a dict it was


# --- fields of a model that come one by one, as those of a form


@dataclass(frozen=True, slots=True)
class ModelField:
    """One field: its name on the wire and whether it has many values."""

    name: str
    many: bool
    kind: Any


def fields_of(kind: Any) -> list[ModelField]:
    """Of a model, by the names that its decoder knows them by."""
    bare, _ = unwrap(kind)
    if is_pydantic(bare):
        found = {(field.alias or name): field.annotation for name, field in bare.model_fields.items()}
    elif hasattr(bare, "__struct_fields__"):
        hints = typing.get_type_hints(bare, include_extras=True)
        names = zip(bare.__struct_encode_fields__, bare.__struct_fields__, strict=True)
        found = {wire: hints[name] for wire, name in names}
    else:
        found = typing.get_type_hints(bare, include_extras=True)
    return [ModelField(name, item_of(without_none(one)) is not None, one) for name, one in found.items()]


def builder(kind: Any, root: str) -> Convert:
    """What makes a model of a dict of texts."""
    if wants_pydantic(kind):
        return pydantic_builder(kind, root)
    import msgspec  # noqa: PLC0415

    def build(values: dict[str, Any]) -> Any:
        try:
            return msgspec.convert(values, kind, strict=False)
        except msgspec.ValidationError as error:
            raise Invalid([locate(str(error), root)]) from None

    return build


def pydantic_builder(kind: Any, root: str) -> Convert:
    import pydantic  # noqa: PLC0415

    read = adapter_of(kind).validate_python

    def build(values: dict[str, Any]) -> Any:
        try:
            return read(values)
        except pydantic.ValidationError as error:
            raise Invalid([{"loc": [root, *one["loc"]], "msg": one["msg"]} for one in error.errors()]) from None

    return build


# --- writing


def encode(value: Any) -> bytes:
    """JSON of anything that msgspec or pydantic knows; TypeError for anything else."""
    return _encode()(value)


@functools.cache
def _encode() -> Callable[[Any], bytes]:
    import msgspec  # noqa: PLC0415

    return msgspec.json.Encoder(enc_hook=dump).encode


def dump(value: Any) -> Any:
    """For msgspec: what it does not know."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", by_alias=True)
    kind = cast("Any", type(value))
    serializer = getattr(kind, "__pydantic_serializer__", None)  # of a dataclass of its
    if serializer is not None:
        return serializer.to_python(value, mode="json")
    raise TypeError(f"{type(value).__name__} is nothing that JSON has")


PLAIN = (dict, list, int, float, bool)


def encoder(returns: Any) -> Callable[[Any], bytes] | None:
    """Of a handler whose return annotation is always a model or holds some; None leaves it to what is returned."""
    bare, _ = unwrap(returns)
    choices = members(bare)
    if not all(holds_model(one) and get_origin(one) is not tuple for one in choices):
        return None
    if all(is_pydantic(one) for one in choices):
        return pydantic_dump
    if any(wants_pydantic(one) for one in choices):
        return encode
    import msgspec  # noqa: PLC0415

    return msgspec.json.Encoder(enc_hook=dump).encode


def pydantic_dump(value: Any) -> bytes:
    kind = cast("Any", type(value))
    return cast("bytes", kind.__pydantic_serializer__.to_json(value, by_alias=True))
