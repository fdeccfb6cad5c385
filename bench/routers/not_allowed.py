"""Paths of GitHub's routes, with methods that they do not have there."""

from routers.routes import Request, Route, github, not_allowed


def questions(_size: int) -> tuple[list[Route], list[Request]]:
    routes = github()
    return routes, not_allowed(routes)
