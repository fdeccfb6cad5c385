"""ffroute: a trie in Rust that narrows the routes down for Starlette, whose own the last step is, as in FFRouter."""

from typing import Any

from routers.routes import MISS, NOT_ALLOWED, Find, Outcome, Route

from entrants import Entrant

ENTRANT = Entrant(
    name="ffroute",
    about="Rust, trie",
    kind="router",
    command=("{python}", "asking.py", "{app}", "router_ffroute", "{size}", "{seconds}"),
    requirements="ffroute.txt",
)


def build(routes: list[Route]) -> Find:
    import ffroute
    from starlette.routing import Match
    from starlette.routing import Route as Declared

    declared = [Declared(route.path, endpoint, methods=[route.method], name=str(route.target)) for route in routes]
    candidates = ffroute.Router([route.path for route in routes]).match_all
    full, partial = Match.FULL, Match.PARTIAL

    def find(method: str, path: str) -> Any:
        scope = {"type": "http", "method": method, "path": path, "root_path": ""}
        found = None
        for number in candidates(path):
            route = declared[number]
            match, more = route.matches(scope)
            if match == full:
                return route, more["path_params"]
            if match == partial and found is None:
                found = route
        return found

    return find


async def endpoint(request: Any) -> None:
    """Never called."""


def outcome(find: Find, method: str, path: str) -> Outcome:
    found = find(method, path)
    if isinstance(found, tuple):
        return int(found[0].name), found[1]
    return NOT_ALLOWED if found else MISS
