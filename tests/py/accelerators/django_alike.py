"""Run by itself, as Django's settings are those of a process: resolves paths of tables that are made up, both ways."""

import random
import sys
from typing import Any

import django
from django.conf import settings
from django.http import HttpResponse
from django.urls import URLResolver, include, path, re_path
from django.urls.converters import register_converter
from django.urls.exceptions import Resolver404
from django.urls.resolvers import RegexPattern

import velocem
from velocem.accelerators import resolver as accelerator


class Four:
    regex = "[0-9]{4}"

    def to_python(self, value: str) -> int:
        if value == "0000":
            raise ValueError
        return int(value)

    def to_url(self, value: int) -> str:
        return f"{value:04}"


settings.configure(DEBUG=False, ROOT_URLCONF="none", ALLOWED_HOSTS=["*"], SECRET_KEY="k")
django.setup()
register_converter(Four, "four")

PIECES = [
    "a",
    "b",
    "ab",
    "<x>",
    "<int:x>",
    "<slug:x>",
    "<uuid:x>",
    "v<x>",
    "<x>.json",
    "<x>-<y>",
    "<path:x>",
    "<four:x>",
]
TEXTS = [
    "a",
    "b",
    "ab",
    "1",
    "2026",
    "0000",
    "v1",
    "a.json",
    "a-b",
    "",
    "é",
    "x\n",
    "0123abcd-0123-abcd-0123-0123456789ab",
]
REGEXES = [r"^a/(?P<q>\d+)/$", r"^b", r"(.*)/z$"]


def view(request: Any, **values: Any) -> HttpResponse:
    return HttpResponse()


def route(rnd: random.Random, depth: int, most: int) -> str:
    pieces = [rnd.choice(PIECES) for _ in range(rnd.randint(0, most))]
    text = "/".join(p.replace("x>", f"x{depth}{i}>").replace("<y", f"<y{depth}{i}") for i, p in enumerate(pieces))
    return text + rnd.choice(["/", "/", ""]) if text else ""


def table(rnd: random.Random, depth: int = 0) -> list[Any]:
    patterns: list[Any] = []
    for number in range(rnd.randint(0, 8)):
        kind = rnd.random()
        if kind < 0.1:
            patterns.append(re_path(rnd.choice(REGEXES), view, name=f"re{number}"))
        elif kind < 0.35 and depth < 2:
            patterns.append(path(route(rnd, depth, 2), include(table(rnd, depth + 1)), {"more": depth}))
        else:
            patterns.append(path(route(rnd, depth, 4), view, name=f"{depth}-{number}"))
    return patterns


def outcome(resolver: URLResolver, text: str) -> Any:
    try:
        m = resolver.resolve(text)
    except Resolver404 as error:
        return "404", error.args[0]
    return (m.func, m.args, m.kwargs, m.url_name, m.app_names, m.namespaces, m.route, m.captured_kwargs, m.extra_kwargs)


def main(rounds: int) -> None:
    rnd, narrowed = random.Random(8), 0
    for seed in range(rounds):
        plain, fast = (URLResolver(RegexPattern(r"^/"), table(random.Random(seed))) for _ in range(2))
        assert velocem.accelerate(fast) is fast
        for _ in range(12):
            text = "/" + "/".join(rnd.choice(TEXTS) for _ in range(rnd.randint(0, 5)))
            one, other = outcome(fast, text), outcome(plain, text)
            assert same(one, other), (seed, text, one, other)
            narrowed += one[0] != "404"
    fast = URLResolver(RegexPattern(r"^/"), [path(f"r{i}/<int:x>/", view, name=str(i)) for i in range(100)])
    accelerator.accelerate(fast)
    tried: list[Any] = []
    original = accelerator.View

    def view_of(whole: Any, some: list[Any]) -> Any:
        tried.append(some)
        return original(whole, some)

    accelerator.View = view_of  # type: ignore[assignment, misc]
    assert outcome(fast, "/r42/7/")[2] == {"x": 7}
    assert [len(some) for some in tried] == [1]
    print(f"alike, {narrowed} found")


def same(one: Any, other: Any) -> bool:
    """Of a 404 the patterns that were tried are compared as text: each table has its own objects."""
    if one[0] == "404" or other[0] == "404":
        return bool(one[0] == other[0]) and told(one[1]) == told(other[1])
    return bool(one == other)


def told(found: Any) -> Any:
    return [[str(p.pattern) for p in row] for row in found.get("tried", ())], found["path"]


main(int(sys.argv[1]))
