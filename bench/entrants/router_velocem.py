"""Velocem's router: a table of static paths and a tree of segments, in C."""

from typing import Any

from routers.routes import MISS, NOT_ALLOWED, Find, Outcome, Route

from entrants import Entrant

ENTRANT = Entrant(
    name="velocem-router",
    about="C, tree of segments",
    kind="router",
    ours=True,
    command=("{python}", "asking.py", "{app}", "router_velocem", "{size}", "{seconds}"),
    requirements=".",
)


def build(routes: list[Route]) -> Find:
    from velocem import Router

    router = Router()
    for route in routes:
        router.add(route.method, route.path, route.target)
    find: Find = router.lookup
    return find


def outcome(find: Find, method: str, path: str) -> Outcome:
    from velocem.router import MethodNotAllowed, NotFound

    try:
        found: Any = find(method, path)
    except NotFound:
        return MISS
    except MethodNotAllowed:
        return NOT_ALLOWED
    return found[0], found[1]
