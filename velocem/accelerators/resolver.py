"""Django's URL resolvers: their own search runs over the patterns that the path can be."""

# The framework's own types are not all known, and what is used here is private to it.
# pyright: basic, reportPrivateUsage=false

import re
from types import MethodType
from typing import Any

from django.conf import settings
from django.urls import get_resolver
from django.urls.converters import IntConverter, SlugConverter, StringConverter, UUIDConverter
from django.urls.exceptions import Resolver404
from django.urls.resolvers import RegexPattern, RoutePattern, URLPattern, URLResolver

from velocem.accelerators.narrowing import ANYTHING, MOST_ROUTES, Narrowing, Shape

# What takes one segment, and never an empty one.
ONE_SEGMENT = frozenset({IntConverter, SlugConverter, StringConverter, UUIDConverter})
PARAMETER = re.compile(r"<(?:[^>:]+:)?([^>]+)>")


def accelerate(app: Any) -> None:
    """Of the URL configuration in the settings, for whichever handler; or of one resolver."""
    narrow(app if isinstance(app, URLResolver) else get_resolver(None))


class View:
    """A resolver that has some of its patterns; all else is that of the whole one."""

    __slots__ = ("_whole", "url_patterns")

    def __init__(self, whole: URLResolver, patterns: list[Any]) -> None:
        self._whole = whole
        self.url_patterns = patterns

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)


class Narrowed:
    """In the place of a resolver's resolve."""

    def __init__(self, resolver: URLResolver, prefix: str) -> None:
        self.resolver, self.prefix = resolver, prefix
        self.patterns: list[Any] = []
        self.narrowing: Narrowing | None = None

    def resolve(self, _resolver: URLResolver, path: Any) -> Any:
        search: Any = URLResolver.resolve
        path = str(path)
        # What was tried is shown by the page of DEBUG, and told with every 404: there the whole search stays.
        if settings.DEBUG:
            return search(self.resolver, path)
        some = self.some(path if path.startswith("/") else "/" + path)
        if some is None:
            return search(self.resolver, path)
        try:
            return search(View(self.resolver, some), path)
        except Resolver404:
            return search(self.resolver, path)

    def some(self, path: str) -> list[Any] | None:
        patterns = self.resolver.url_patterns
        if patterns != self.patterns or self.narrowing is None:
            self.learn(patterns)
        numbers = self.narrowing.candidates(path) if self.narrowing is not None else None
        return None if numbers is None else [self.patterns[number] for number in numbers]

    def learn(self, patterns: Any) -> None:
        self.patterns = list(patterns)
        for pattern in self.patterns:
            if type(pattern) is URLResolver:
                narrow(pattern)
        fits = len(self.patterns) <= MOST_ROUTES
        self.narrowing = Narrowing(shape(self.prefix, pattern) for pattern in self.patterns) if fits else None


def narrow(resolver: URLResolver) -> None:
    """A resolver whose own pattern is the root's "^/", or a plain route without parameters."""
    pattern = resolver.pattern
    if "resolve" in vars(resolver) or type(resolver) is not URLResolver:
        return
    if type(pattern) is RegexPattern and pattern._regex == r"^/":
        prefix = "/"
    elif type(pattern) is RoutePattern and isinstance(pattern._route, str) and not pattern.converters:
        prefix = "/" + pattern._route
    else:
        return
    resolver.resolve = MethodType(Narrowed(resolver, prefix).resolve, resolver)


def shape(prefix: str, entry: Any) -> Shape:
    pattern = entry.pattern
    if type(entry) not in {URLPattern, URLResolver} or type(pattern) is not RoutePattern:
        return ANYTHING
    if not isinstance(pattern._route, str):
        return ANYTHING
    is_prefix = type(entry) is URLResolver
    return shape_of(prefix + pattern._route, pattern.converters, is_prefix=is_prefix)


def shape_of(route: str, converters: Any, *, is_prefix: bool) -> Shape:
    """Of a prefix the last segment may go on, and is left out."""
    whole = route.split("/")[1:]
    segments: list[str | None] = []
    for text in whole[:-1] if is_prefix or whole[-1] == "" else whole:
        names = PARAMETER.findall(text)
        if text == "" or any(type(converters.get(name)) not in ONE_SEGMENT for name in names):
            return Shape(tuple(segments), True)
        segments.append(None if names else text)
    return Shape(tuple(segments), is_prefix)
