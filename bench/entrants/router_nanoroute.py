"""nanoroute: a radix tree for each method, in C++. It is the router of the original Velocem's author."""

from typing import Any

from routers.routes import MISS, Find, Outcome, Route

from entrants import Entrant

ENTRANT = Entrant(
    name="nanoroute",
    about="C++, radix tree",
    kind="router",
    command=("{python}", "asking.py", "{app}", "router_nanoroute", "{size}", "{seconds}"),
    requirements="nanoroute.txt",
    pythons=("3.13",),
    leaves_out={
        "miss": "it crashes on /authorizations/some-id/nothing, where /authorizations/:id is a route",
        "not_allowed": "it does not tell a path without the method from one that does not exist",
    },
)


def build(routes: list[Route]) -> Find:
    import nanoroute

    router: Any = nanoroute.router()
    for route in routes:
        router.route(route.method, route.path.replace("{", ":").replace("}", ""))(route.target)
    find: Find = router.lookup
    return find


def outcome(find: Find, method: str, path: str) -> Outcome:
    try:
        target, parameters = find(method, path)
    except LookupError:
        return MISS
    return target, parameters
