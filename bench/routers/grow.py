"""So many routes, half of them with a parameter."""

from routers.routes import Request, Route, growing, hits


def questions(size: int) -> tuple[list[Route], list[Request]]:
    routes = growing(size)
    return routes, hits(routes)
