"""Werkzeug's router, which is Flask's: a state machine over the segments. Bound once; Flask binds each time."""

from routers.routes import MISS, NOT_ALLOWED, Find, Outcome, Route

from entrants import Entrant

ENTRANT = Entrant(
    name="werkzeug",
    about="Python, state machine",
    kind="router",
    command=("{python}", "asking.py", "{app}", "router_werkzeug", "{size}", "{seconds}"),
    requirements="werkzeug.txt",
)


def build(routes: list[Route]) -> Find:
    from werkzeug.routing import Map, Rule

    rules = [
        Rule(route.path.replace("{", "<").replace("}", ">"), methods=[route.method], endpoint=route.target)
        for route in routes
    ]
    match = Map(rules).bind("127.0.0.1").match
    return lambda method, path: match(path, method)


def outcome(find: Find, method: str, path: str) -> Outcome:
    from werkzeug.exceptions import MethodNotAllowed, NotFound

    try:
        target, parameters = find(method, path)
    except NotFound:
        return MISS
    except MethodNotAllowed:
        return NOT_ALLOWED
    return target, parameters
