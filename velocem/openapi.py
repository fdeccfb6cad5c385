"""The OpenAPI 3.1 document of an application."""

import inspect
import json
import re
import types
import typing
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from velocem import binding
from velocem._core import MISSING
from velocem.exceptions import title_of
from velocem.plans import About, Made
from velocem.rendering import ITERATORS
from velocem.responses import JSON, PROBLEM, File, Html, Redirect, Response
from velocem.signature import Parameter, name_of
from velocem.uploads import uploaded

if TYPE_CHECKING:
    from velocem.app import App

VERSION = "3.1.0"
REFERENCE = "#/components/schemas/{name}"
# What a document has a place for; a route for any method is told as these.
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
ANY = METHODS[:5]
IN = {"path": "path", "query": "query", "header": "header", "cookie": "cookie"}

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457",
    "properties": {
        "type": {"type": "string", "default": "about:blank"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "loc": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}},
                    "msg": {"type": "string"},
                },
                "required": ["loc", "msg"],
            },
        },
    },
    "required": ["type", "title", "status"],
}


class Schemas:
    """Schemas of types, by msgspec or by pydantic, and the components that they refer to."""

    def __init__(self, kinds: Sequence[Any]) -> None:
        self.components: dict[str, Any] = {"Problem": PROBLEM_SCHEMA}
        self.known: dict[int, Any] = {}
        self.kinds = list(kinds)  # ids are theirs as long as they live
        self.of_msgspec([kind for kind in self.kinds if not binding.wants_pydantic(kind)])
        for kind in self.kinds:
            if binding.wants_pydantic(kind):
                self.known[id(kind)] = self.of_pydantic(kind)

    def of_msgspec(self, kinds: list[Any]) -> None:
        """All at once, so that two types of one name get two."""
        import msgspec  # noqa: PLC0415

        told = [kind for kind in kinds if self.is_told(kind)]
        schemas, components = msgspec.json.schema_components(told, ref_template=REFERENCE)
        self.components |= components
        self.known |= {id(kind): schema for kind, schema in zip(told, schemas, strict=True)}

    def is_told(self, kind: Any) -> bool:
        """Whether msgspec has a schema for it: it has none for classes of others."""
        import msgspec  # noqa: PLC0415

        try:
            msgspec.json.schema_components([kind], ref_template=REFERENCE)
        except TypeError:
            return False
        return True

    def of_pydantic(self, kind: Any) -> Any:
        schema = binding.adapter_of(kind).json_schema(ref_template="#/components/schemas/{model}")
        self.components |= schema.pop("$defs", {})
        name = getattr(kind, "__name__", "")
        if not binding.is_pydantic(kind) or not name or name in self.components:
            return schema
        self.components[name] = schema
        return {"$ref": REFERENCE.format(name=name)}

    def get(self, kind: Any) -> Any:
        """Anything, for a type that nobody can tell."""
        return self.known.get(id(kind), {})


def document(app: "App", made: Sequence[Made]) -> dict[str, Any]:
    """For the routes that are not hidden."""
    shown = [one.about for one in made if not one.about.endpoint.options.get("hidden")]
    schemas = Schemas([kind for about in shown for kind in kinds_of(about)])
    paths: dict[str, Any] = {}
    taken: dict[str, int] = {}
    for about in shown:
        item = paths.setdefault(path_of(about.endpoint.pattern), {})
        for method in about.endpoint.methods or ANY:
            if method in METHODS and method.lower() not in item:
                item[method.lower()] = operation(about, schemas, name_for(about, method, taken))
    info = {"title": app.title, "version": app.version}
    info |= {"description": app.description} if app.description else {}
    found = {"openapi": VERSION, "info": info, "paths": paths, "components": {"schemas": schemas.components}}
    return found | ({"x-own-path": app.openapi_path} if app.openapi_path else {})


def name_for(about: About, method: str, taken: dict[str, int]) -> str:
    """The operationId, which no other has."""
    name = about.endpoint.options.get("name") or name_of(about.endpoint.function)
    if about.endpoint.methods is None or len(about.endpoint.methods) > 1:
        name = f"{method.lower()}_{name}"
    taken[name] = taken.get(name, 0) + 1
    return name if taken[name] == 1 else f"{name}_{taken[name]}"


def path_of(pattern: str) -> str:
    """As OpenAPI has it: names of parameters alone."""
    return re.sub(r"\{(\w+):[^{}]*(?:\([^)]*\))?\}", r"{\1}", pattern)


def kinds_of(about: About) -> Iterator[Any]:
    for one in about.parameters:
        for each in one.fields or (one,):
            if each.source in {*IN, "form", "body"}:
                yield each.kind
    item = returned(about)
    if item is not None:
        yield item


def returned(about: About) -> Any:
    """The type whose JSON is in the response; None where it is no JSON."""
    kind = about.signature.returns
    bare, _ = binding.unwrap(kind)
    if typing.get_origin(bare) in ITERATORS:
        item = typing.get_args(bare)[0]
        return None if item in {str, bytes} else item
    if bare in {inspect.Signature.empty, Any, str, bytes, types.NoneType} or typing.get_origin(bare) is tuple:
        return None
    kept = [one for one in binding.members(bare) if not is_response(one)]
    return kind if len(kept) == len(binding.members(bare)) else (kept[0] if len(kept) == 1 else None)


def is_response(kind: Any) -> bool:
    return kind is types.NoneType or (isinstance(kind, type) and issubclass(kind, Response))


def operation(about: About, schemas: Schemas, name: str) -> dict[str, Any]:
    options = about.endpoint.options
    text = inspect.getdoc(about.endpoint.function) or ""
    first, _, rest = text.partition("\n")
    summary = options.get("summary") or first or name.replace("_", " ").capitalize()
    found: dict[str, Any] = {"operationId": name, "summary": summary}
    description = options.get("description") or rest.strip()
    found |= {"description": description} if description else {}
    found |= {"tags": list(options.get("tags", ()))} if options.get("tags") else {}
    found |= {"deprecated": True} if options.get("deprecated") else {}
    parameters = unique(about.parameters)
    told = [parameter(one, schemas) for one in parameters if one.source in IN]
    found |= {"parameters": told} if told else {}
    body = request_body(parameters, schemas)
    found |= {"requestBody": body} if body else {}
    return {**found, "responses": responses(about, schemas, checked=bool(told or body))}


def unique(parameters: Sequence[Parameter]) -> list[Parameter]:
    """Once each, though several functions may take it; those of a model in the query are its fields."""
    found: dict[tuple[str, str], Parameter] = {}
    for one in parameters:
        for each in one.fields if one.source == "model" and one.wire == "query" else (one,):
            found.setdefault((each.source, each.wire), each)
    return list(found.values())


def parameter(one: Parameter, schemas: Schemas) -> dict[str, Any]:
    schema = dict(schemas.get(one.kind))
    required = one.default is MISSING
    if not required and one.default != [] and (default := plain(one.default)) is not None:
        schema["default"] = default
    return {"name": one.wire, "in": IN[one.source], "required": required or one.source == "path", "schema": schema}


def plain(value: Any) -> Any:
    """A default as JSON has it; None for what it has not, and for what is absent."""
    try:
        return json.loads(binding.encode(value))
    except TypeError:
        return None


def field(one: Parameter, schemas: Schemas) -> Any:
    """Of a form; a file's media type is anything."""
    if one.convert is not uploaded:
        return schemas.get(one.kind)
    file = {"type": "string", "format": "binary"}
    return {"type": "array", "items": file} if one.many else file


def request_body(parameters: Sequence[Parameter], schemas: Schemas) -> dict[str, Any]:
    forms = [one for one in parameters if one.source == "form" or (one.source == "model" and one.wire == "form")]
    if forms:
        fields = [each for one in forms for each in (one.fields or (one,))]
        schema = {"type": "object", "properties": {one.wire: field(one, schemas) for one in fields}}
        needed = [one.wire for one in forms if not one.fields and one.default is MISSING]
        schema |= {"required": needed} if needed else {}
        files = any(one.convert is uploaded for one in fields)
        kind = "multipart/form-data" if files else "application/x-www-form-urlencoded"
        return {"required": bool(needed), "content": {kind: {"schema": schema}}}
    for one in parameters:
        if one.source in {"body", "bytes"}:
            told: dict[str, Any] = {JSON: {"schema": schemas.get(one.kind)}}
            content: dict[str, Any] = told if one.source == "body" else {"*/*": {}}
            return {"required": one.default is MISSING, "content": content}
    return {}


def responses(about: About, schemas: Schemas, *, checked: bool) -> dict[str, Any]:
    kind, status = about.signature.returns, about.status
    bare = binding.unwrap(kind)[0]
    content: dict[str, Any] = {}
    item = returned(about)
    if item is not None:
        streams = typing.get_origin(bare) in ITERATORS
        content = {about.rendering.stream_type if streams else JSON: {"schema": schemas.get(item)}}
    elif bare in {str, bytes} or (isinstance(bare, type) and issubclass(bare, Html)):
        known: dict[Any, str] = {str: "text/plain", bytes: "application/octet-stream"}
        media = known.get(bare, "text/html")
        content = {media: {"schema": {"type": "string"}}}
    elif isinstance(bare, type) and issubclass(bare, File):
        content = {"*/*": {}}
    if bare is types.NoneType and status == 200:
        status = 204
    if isinstance(bare, type) and issubclass(bare, Redirect):
        status = 303
    answer: dict[str, Any] = {"description": title_of(status)}
    answer |= {"content": content} if content else {}
    found = {str(status): answer}
    if checked:
        problem = {"schema": {"$ref": REFERENCE.format(name="Problem")}}
        found["422"] = {"description": title_of(422), "content": {PROBLEM: problem}}
    return found
