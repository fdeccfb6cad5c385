"""Paths that GitHub's routes do not have."""

from routers.routes import Request, Route, github, misses


def questions(_size: int) -> tuple[list[Route], list[Request]]:
    routes = github()
    return routes, misses(routes)
