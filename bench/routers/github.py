"""Every one of GitHub's routes."""

from routers.routes import Request, Route, github, hits


def questions(_size: int) -> tuple[list[Route], list[Request]]:
    routes = github()
    return routes, hits(routes)
