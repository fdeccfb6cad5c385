"""A thousand routes without parameters."""

from routers.routes import Request, Route, hits, static


def questions(_size: int) -> tuple[list[Route], list[Request]]:
    routes = static(1000)
    return routes, hits(routes)
