"""Falcon's router: it writes a Python function of nested comparisons for its routes, and compiles it."""

from typing import Any

from routers.routes import MISS, NOT_ALLOWED, Find, Outcome, Route

from entrants import Entrant

ENTRANT = Entrant(
    name="falcon-router",
    about="Python, generated code",
    kind="router",
    command=("{python}", "asking.py", "{app}", "router_falcon", "{size}", "{seconds}"),
    requirements="falcon-router.txt",
    leaves_out={"routes-10000": "adding routes costs it the square of their number: a minute and more for so many"},
)


def build(routes: list[Route]) -> Find:
    from falcon.routing import CompiledRouter

    router = CompiledRouter()
    responders: dict[str, dict[str, Any]] = {}
    for route in routes:
        responders.setdefault(route.path, {})[f"on_{route.method.lower()}"] = responder(route.target)
    for path, of_path in responders.items():
        router.add_route(path, type("Resource", (), of_path)())
    match = router.find

    def find(method: str, path: str) -> Any:
        found = match(path)
        return found and (found[1][method], found[2])

    return find


def responder(number: int) -> Any:
    def respond(self: Any, req: Any, resp: Any, **parameters: str) -> None:
        """Never called."""

    respond.target = number  # type: ignore[attr-defined]
    return respond


def outcome(find: Find, method: str, path: str) -> Outcome:
    found = find(method, path)
    if not found:
        return MISS
    target = getattr(found[0], "target", None)
    return NOT_ALLOWED if target is None else (target, found[1])
