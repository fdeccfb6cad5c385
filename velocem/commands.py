"""Commands that tell about an application without serving it: routes, openapi, explain."""

import argparse
import json
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NoReturn

from velocem import importer
from velocem._core import Plan
from velocem.app import App
from velocem.exceptions import ConfigError, StartError
from velocem.pipeline import Program
from velocem.signature import CONST, REQUEST, name_of, place_of

if TYPE_CHECKING:
    from velocem.plans import About

SOURCES = ("constant", "path", "query", "header", "cookie", "form", "body", "request", "body")
CONVERTED = ("text", "int", "float", "bool")


def routes(app: App) -> str:
    """A line for each route, in columns, as they were added."""
    rows = [
        (",".join(one.methods or ("*",)), one.host + one.pattern, told(one.target), near(one.place))
        for one in app.router().routes
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    return "\n".join("  ".join([*(row[i].ljust(widths[i]) for i in range(3)), row[3]]) for row in rows)


def near(place: str) -> str:
    """Without the folder where one is."""
    return place.removeprefix(os.getcwd() + os.sep)


def told(target: object) -> str:
    about = getattr(target, "about", None)
    if about is not None:
        return name_of(about.endpoint.function)
    return f"mount ({getattr(getattr(target, 'mount', None), 'kind', '')})"


def openapi(app: App) -> str:
    """The document, as JSON."""
    return json.dumps(app.openapi(), indent=2, ensure_ascii=False)


def explain(app: App, method: str, path: str) -> str:
    """What a request leads to, what runs for it, and which of that is slow."""
    router = app.router()
    lines = [router.explain(method, path.partition("?")[0])]
    found = router.match(method, path.partition("?")[0])
    if found is not None and found.route is not None and not found.route.mount and not found.slash:
        lines += [f"  {line}" for line in describe(found.target)]
    lines += [f"  policy: {name} = {value!r}" for name, value in app.policies().items()]
    return "\n".join(lines)


def describe(plan: Plan) -> list[str]:
    """A plan, step by step; what costs more than it need is marked slow."""
    about: About = plan.about
    lines = [line_of_leaf(*leaf) for leaf in plan.leaves]
    if about.program is None:
        hop = "slow: a thread runs it" if about.blocking else ""
        lines.append(mark(f"call {name_of(about.endpoint.function)} ({place_of(about.endpoint.function)})", hop))
    else:
        lines += steps_of(about.program, "slow: a thread runs it" if about.blocking else "")
    encode = "msgspec" if about.rendering.encode is not None else "by the type of the result"
    return [*lines, f"status {about.status}, rendered {encode}"]


def line_of_leaf(number: int, name: str, convert: object, flags: int, _: object) -> str:
    source = SOURCES[number]
    if number == CONST:
        return "constant, there from the start"
    if number == REQUEST:
        return mark("request", "slow: a Request is made")
    kind = (
        CONVERTED[convert] if isinstance(convert, int) else "as the router made it" if convert is None else "converted"
    )
    slow = "" if convert is None or isinstance(convert, int) or source == "body" else "slow: by a call of Python"
    return mark(f"{source} {name}: {kind}{', all of them' if flags else ''}", slow)


def steps_of(program: Program, thread: str) -> list[str]:
    lines = [mark(f"around {name_of(one.function)}", "slow: the onion is Python") for one in program.around]
    for one in program.steps:
        what = "before" if one.answers else "provider"
        if one is program.steps[-1]:
            what = "call"
        hops = thread if one.hops and one.kind in {"value", "generator"} else ""
        ends = ", cleaned up after the response" if "generator" in one.kind else ""
        lines.append(mark(f"{what} {name_of(one.function)}{ends}" if one.hops else "arguments are put together", hops))
    return [*lines, *(mark(f"after {name_of(one.function)}", thread) for one in program.after)]


def mark(line: str, slow: str) -> str:
    return f"{line}  [{slow}]" if slow else line


# --- the command line


class Parser(argparse.ArgumentParser):
    """One line of error, as the command has it."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{self.prog.partition(' ')[2]}: {message}")


def make_parser(name: str) -> Parser:
    told_by: dict[str, Callable[..., str]] = {"routes": routes, "openapi": openapi, "explain": explain}
    parser = Parser(prog=f"velocem {name}", description=told_by[name].__doc__, allow_abbrev=False)
    parser.add_argument("app", metavar="module:attribute", help="the application")
    if name == "explain":
        parser.add_argument("method", help="as GET")
        parser.add_argument("path", help="as /users/42")
    parser.add_argument("--app-dir", default=".", metavar="DIR", help="folder to import it from")
    parser.add_argument("--factory", action="store_true", help="call what is named to get the application")
    return parser


def run(name: str, arguments: Sequence[str]) -> str:
    """The text of routes, openapi or explain. ConfigError for bad arguments, StartError for what is no App."""
    given = make_parser(name).parse_args(arguments)
    app = importer.load(given.app, app_dir=given.app_dir, factory=given.factory)
    if not isinstance(app, App):
        raise StartError(f"{given.app!r} is no velocem.App: {importer.describe(app)}")
    if name == "explain":
        return explain(app, given.method.upper(), given.path)
    return routes(app) if name == "routes" else openapi(app)
