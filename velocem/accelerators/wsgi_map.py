"""Werkzeug's Map, which is Flask's: a path that only one rule can be is that rule's, without the state machine."""

# The framework's own types are not all known, and what is used here is private to it.
# pyright: basic, reportPrivateUsage=false

import re
from typing import Any

from werkzeug.routing import Map, Rule, ValidationError
from werkzeug.routing.converters import UnicodeConverter
from werkzeug.routing.matcher import StateMachineMatcher

from velocem.accelerators.narrowing import ANYTHING, MOST_ROUTES, Narrowing, Shape


def accelerate(app: Any) -> None:
    """Of a Map, or what has one in url_map."""
    url_map = app if isinstance(app, Map) else getattr(app, "url_map", None)
    if not isinstance(url_map, Map):
        raise TypeError(f"{type(app).__name__} has no Map of Werkzeug's")
    matcher = url_map._matcher
    if type(matcher) is StateMachineMatcher:
        Narrowed.take_over(matcher, url_map)


class Simple:
    """A rule whose parameters are segments, each of its own."""

    __slots__ = ("converters", "domain", "rule", "slash", "wild")

    def __init__(self, rule: Rule, domain: str, places: list[int], *, slash: bool) -> None:
        self.rule, self.domain, self.slash = rule, domain, slash
        converters = rule._converters
        self.converters = [(str(name), place, converters[name]) for name, place in zip(converters, places, strict=True)]

    def values(self, path: str) -> dict[str, Any] | None:
        """As the state machine has them; None when it may see it otherwise."""
        segments = path.split("/")
        values: dict[str, Any] = {}
        for name, place, converter in self.converters:
            text = segments[place]
            if type(converter) is UnicodeConverter and converter.regex == "[^/]{1,}":
                values[name] = text
                continue
            if re.fullmatch(converter.regex, text) is None:
                return None
            try:
                values[name] = converter.to_python(text)
            except ValidationError:
                return None
        if self.rule.defaults:
            values.update(self.rule.defaults)
        return values


class Narrowed(StateMachineMatcher):
    """A state machine that is asked only where there is something to decide."""

    @classmethod
    def take_over(cls, matcher: StateMachineMatcher, url_map: Map) -> None:
        matcher.__class__ = cls
        matcher.velocem_map = url_map  # type: ignore[attr-defined]
        matcher.velocem_table = None  # type: ignore[attr-defined]

    def add(self, rule: Rule) -> None:
        super().add(rule)
        self.velocem_table: tuple[Narrowing, list[Simple | None]] | None = None

    def match(self, domain: str, path: str, method: str, websocket: bool) -> Any:
        table = self.velocem_table or self.learn()
        numbers = table[0].candidates(path)
        if numbers is not None and len(numbers) == 1:
            simple = table[1][numbers[0]]
            if simple is not None and simple.domain == domain and simple.slash == path.endswith("/"):
                rule = simple.rule
                if rule.websocket == websocket and (rule.methods is None or method in rule.methods):
                    values = simple.values(path)
                    if values is not None:
                        return rule, values
        return super().match(domain, path, method, websocket)

    def learn(self) -> tuple[Narrowing, list[Simple | None]]:
        rules = [rule for rule in self.velocem_map._rules if not rule.build_only]  # type: ignore[attr-defined]
        looked_at = [look_at(rule) for rule in rules]
        shapes = [shape for shape, _ in looked_at] if len(rules) <= MOST_ROUTES else [ANYTHING, ANYTHING]
        self.velocem_table = Narrowing(shapes), [simple for _, simple in looked_at]
        return self.velocem_table


def look_at(rule: Rule) -> tuple[Shape, Simple | None]:
    """What paths of the rule look like, and the rule as a simple one if it is one."""
    trace = rule._trace
    bar = trace.index((False, "|")) if (False, "|") in trace else -1
    if bar < 0 or any(dynamic for dynamic, _ in trace[:bar]):
        return ANYTHING, None
    segments: list[str | None] = []
    places: list[int] = []
    simple = not rule.alias and type(rule) is Rule
    open_text, inside = "", False  # of the segment that is read, and whether it has a parameter
    for dynamic, text in trace[bar + 1 :]:
        if dynamic:
            if not rule._converters[text].part_isolating:
                return Shape(tuple(segments[1:]), True), None
            simple = simple and not inside and open_text == ""
            places.append(len(segments) + 1)
            inside = True
            continue
        for c in text:
            if c != "/":
                open_text += c
                simple = simple and not inside
            else:
                segments.append(None if inside else open_text)
                open_text, inside = "", False
    if inside or open_text:
        segments.append(None if inside else open_text)
        slash = False
    else:
        slash = True
    segments = segments[1:]  # what stands before the first slash
    places = [place - 1 for place in places]
    domain = "".join(text for _, text in trace[:bar])
    return Shape(tuple(segments), False), Simple(rule, domain, places, slash=slash) if simple else None
