"""A router that tries every route, written to be right and nothing else: what the real one is compared with."""

import re
from collections.abc import Callable
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

# In the order in which they are tried, each an expression and what makes a value of the text.
KINDS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "uuid": (r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", UUID),
    "int": (r"-?[0-9]{1,18}", int),
    "float": (r"-?[0-9]+(\.[0-9]+)?", float),
    "date": (r"[0-9]{4}-[0-9]{2}-[0-9]{2}", date.fromisoformat),
    "enum": (r"", str),
    "re": (r"", str),
    "str": (r".+", str),
    "path": (r".+", str),
}
ORDER = list(KINDS)
PARAMETER = re.compile(r"{(\w+)(?::(\w+)(?:\((.*?)\))?)?}")


class Segment(NamedTuple):
    literals: list[str]
    names: list[str]
    kinds: list[tuple[str, str]]  # with arguments

    @property
    def rank(self) -> tuple[int, int, int]:
        """Lower is tried first."""
        if not self.names:
            return (0, 0, 0)
        kind = self.kinds[0][0]
        return (2 if kind == "path" else 1, -sum(map(len, self.literals)), ORDER.index(kind))


def parse(pattern: str) -> list[Segment]:
    segments = []
    for text in pattern.split("/")[1:]:
        literals, names, kinds, at = [], [], [], 0
        for found in PARAMETER.finditer(text):
            literals.append(text[at : found.start()])
            names.append(found[1])
            kinds.append((found[2] or "str", found[3] or ""))
            at = found.end()
        segments.append(Segment([*literals, text[at:]], names, kinds))
    return segments


def value(kind: tuple[str, str], text: str) -> Any:
    """ValueError when it is none."""
    name, args = kind
    expression = "|".join(map(re.escape, args.split(","))) if name == "enum" else args or KINDS[name][0]
    if not re.fullmatch(expression, text, re.DOTALL) or not text:
        raise ValueError
    return KINDS[name][1](text)


def segment_values(segment: Segment, text: str) -> dict[str, Any]:
    """Literals in turn, each at its first place behind at least one character; ValueError when it does not fit."""
    if not segment.names:
        if text != segment.literals[0]:
            raise ValueError
        return {}
    if not text.startswith(segment.literals[0]):
        raise ValueError
    text = text[len(segment.literals[0]) :]
    values: dict[str, Any] = {}
    for i, (name, kind) in enumerate(zip(segment.names, segment.kinds, strict=True)):
        behind, last = segment.literals[i + 1], i + 1 == len(segment.names)
        if last and not text.endswith(behind):
            raise ValueError
        end = len(text) - len(behind) if last else text.index(behind, 1)
        values[name] = value(kind, text[:end])
        text = text[end + len(behind) :]
    return values


def values_of(pattern: list[Segment], path: str) -> dict[str, Any]:
    """ValueError when the path is not the pattern's."""
    given = path.split("/")[1:]
    values: dict[str, Any] = {}
    for i, segment in enumerate(pattern):
        if i >= len(given):
            raise ValueError
        rest = "/".join(given[i:])
        if segment.kinds and segment.kinds[0][0] == "path":
            return values | segment_values(segment, rest)
        values |= segment_values(segment, given[i])
    if len(given) != len(pattern):
        raise ValueError
    return values


class Naive:
    def __init__(self) -> None:
        self.routes: list[tuple[str, list[Segment], Any]] = []

    def add(self, method: str, pattern: str, target: Any) -> None:
        self.routes.append((method, parse(pattern), target))

    def having(self, path: str) -> list[tuple[list[tuple[int, int, int]], str, Any, dict[str, Any]]]:
        found = []
        for method, pattern, target in self.routes:
            try:
                values = values_of(pattern, path)
            except ValueError:
                continue
            found.append(([segment.rank for segment in pattern], method, target, values))
        return found

    def ask(self, method: str, path: str) -> Any:
        """(target, values), a set of methods, or None."""
        having = self.having(path)
        methods = {other for _, other, _, _ in having}
        right = [each for each in having if each[1] == method or (method == "HEAD" and each[1] == "GET")]
        if not right:
            return methods | ({"HEAD"} if "GET" in methods else set()) or None
        # The first of the narrowest: where ranks are the same the order of adding decides.
        own = [each for each in right if each[1] == method]
        best = min(right, key=lambda each: each[0])
        same = [each for each in own if each[0] == best[0]]
        return (same or [best])[0][2:]
