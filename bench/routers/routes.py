"""The tables of routes that the routers are asked about, and the requests that ask.

GitHub's is its public API of 2013, 203 methods at 142 paths, as Julien Schmidt's go-http-routing-benchmark listed it:
what routers have been compared by ever since. A parameter is written {name}.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

GITHUB = """
GET POST /authorizations
GET DELETE /authorizations/{id}
DELETE /applications/{client_id}/tokens
GET DELETE /applications/{client_id}/tokens/{access_token}
GET /events
GET /repos/{owner}/{repo}/events
GET /networks/{owner}/{repo}/events
GET /orgs/{org}/events
GET /users/{user}/received_events
GET /users/{user}/received_events/public
GET /users/{user}/events
GET /users/{user}/events/public
GET /users/{user}/events/orgs/{org}
GET /feeds
GET PUT /notifications
GET PUT /repos/{owner}/{repo}/notifications
GET /notifications/threads/{id}
GET PUT DELETE /notifications/threads/{id}/subscription
GET /repos/{owner}/{repo}/stargazers
GET /users/{user}/starred
GET /user/starred
GET PUT DELETE /user/starred/{owner}/{repo}
GET /repos/{owner}/{repo}/subscribers
GET /users/{user}/subscriptions
GET /user/subscriptions
GET PUT DELETE /repos/{owner}/{repo}/subscription
GET PUT DELETE /user/subscriptions/{owner}/{repo}
GET /users/{user}/gists
GET POST /gists
GET DELETE /gists/{id}
GET PUT DELETE /gists/{id}/star
POST /gists/{id}/forks
POST /repos/{owner}/{repo}/git/blobs
GET /repos/{owner}/{repo}/git/blobs/{sha}
POST /repos/{owner}/{repo}/git/commits
GET /repos/{owner}/{repo}/git/commits/{sha}
GET POST /repos/{owner}/{repo}/git/refs
POST /repos/{owner}/{repo}/git/tags
GET /repos/{owner}/{repo}/git/tags/{sha}
POST /repos/{owner}/{repo}/git/trees
GET /repos/{owner}/{repo}/git/trees/{sha}
GET /issues
GET /user/issues
GET /orgs/{org}/issues
GET POST /repos/{owner}/{repo}/issues
GET /repos/{owner}/{repo}/issues/{number}
GET POST /repos/{owner}/{repo}/issues/{number}/comments
GET /repos/{owner}/{repo}/issues/{number}/events
GET POST PUT DELETE /repos/{owner}/{repo}/issues/{number}/labels
DELETE /repos/{owner}/{repo}/issues/{number}/labels/{name}
GET /repos/{owner}/{repo}/assignees
GET /repos/{owner}/{repo}/assignees/{assignee}
GET POST /repos/{owner}/{repo}/labels
GET DELETE /repos/{owner}/{repo}/labels/{name}
GET POST /repos/{owner}/{repo}/milestones
GET DELETE /repos/{owner}/{repo}/milestones/{number}
GET /repos/{owner}/{repo}/milestones/{number}/labels
GET /emojis
GET /gitignore/templates
GET /gitignore/templates/{name}
POST /markdown
POST /markdown/raw
GET /meta
GET /rate_limit
GET /users/{user}/orgs
GET /user/orgs
GET /orgs/{org}
GET /orgs/{org}/members
GET DELETE /orgs/{org}/members/{user}
GET /orgs/{org}/public_members
GET PUT DELETE /orgs/{org}/public_members/{user}
GET POST /orgs/{org}/teams
GET DELETE /teams/{id}
GET /teams/{id}/members
GET PUT DELETE /teams/{id}/members/{user}
GET /teams/{id}/repos
GET PUT DELETE /teams/{id}/repos/{owner}/{repo}
GET /user/teams
GET POST /repos/{owner}/{repo}/pulls
GET /repos/{owner}/{repo}/pulls/{number}
GET /repos/{owner}/{repo}/pulls/{number}/commits
GET /repos/{owner}/{repo}/pulls/{number}/files
GET PUT /repos/{owner}/{repo}/pulls/{number}/merge
GET PUT /repos/{owner}/{repo}/pulls/{number}/comments
GET POST /user/repos
GET /users/{user}/repos
GET POST /orgs/{org}/repos
GET /repositories
GET DELETE /repos/{owner}/{repo}
GET /repos/{owner}/{repo}/contributors
GET /repos/{owner}/{repo}/languages
GET /repos/{owner}/{repo}/teams
GET /repos/{owner}/{repo}/tags
GET /repos/{owner}/{repo}/branches
GET /repos/{owner}/{repo}/branches/{branch}
GET /repos/{owner}/{repo}/collaborators
GET PUT DELETE /repos/{owner}/{repo}/collaborators/{user}
GET /repos/{owner}/{repo}/comments
GET DELETE /repos/{owner}/{repo}/comments/{id}
GET /repos/{owner}/{repo}/commits
GET /repos/{owner}/{repo}/commits/{sha}
GET POST /repos/{owner}/{repo}/commits/{sha}/comments
GET /repos/{owner}/{repo}/readme
GET POST /repos/{owner}/{repo}/keys
GET DELETE /repos/{owner}/{repo}/keys/{id}
GET /repos/{owner}/{repo}/downloads
GET DELETE /repos/{owner}/{repo}/downloads/{id}
GET POST /repos/{owner}/{repo}/forks
GET POST /repos/{owner}/{repo}/hooks
GET DELETE /repos/{owner}/{repo}/hooks/{id}
POST /repos/{owner}/{repo}/hooks/{id}/tests
POST /repos/{owner}/{repo}/merges
GET POST /repos/{owner}/{repo}/releases
GET DELETE /repos/{owner}/{repo}/releases/{id}
GET /repos/{owner}/{repo}/releases/{id}/assets
GET /repos/{owner}/{repo}/stats/contributors
GET /repos/{owner}/{repo}/stats/commit_activity
GET /repos/{owner}/{repo}/stats/code_frequency
GET /repos/{owner}/{repo}/stats/participation
GET /repos/{owner}/{repo}/stats/punch_card
GET POST /repos/{owner}/{repo}/statuses/{ref}
GET /search/repositories
GET /search/code
GET /search/issues
GET /search/users
GET /legacy/issues/search/{owner}/{repository}/{state}/{keyword}
GET /legacy/repos/search/{keyword}
GET /legacy/user/search/{keyword}
GET /legacy/user/email/{email}
GET /users/{user}
GET /user
GET /users
GET POST DELETE /user/emails
GET /users/{user}/followers
GET /user/followers
GET /users/{user}/following
GET /user/following
GET PUT DELETE /user/following/{user}
GET /users/{user}/following/{target_user}
GET /users/{user}/keys
GET POST /user/keys
GET DELETE /user/keys/{id}
"""

METHODS = ("GET", "POST", "PUT", "DELETE")


@dataclass(frozen=True)
class Route:
    """One method at one path; the target is its number in the table."""

    method: str
    path: str
    target: int


Request = tuple[str, str]  # method and path
# What comes of a request: a target and the parameters, or that there is none.
Hit = tuple[int, dict[str, str]]
MISS, NOT_ALLOWED = "no such path", "no such method at the path"
Outcome = Hit | str
Find = Callable[[str, str], Any]  # method and path; what a framework calls for each request


def numbered(rows: Iterator[Request]) -> list[Route]:
    return [Route(method, path, number) for number, (method, path) in enumerate(rows)]


def github() -> list[Route]:
    words = [line.split() for line in GITHUB.strip().splitlines()]
    return numbered((method, path) for *methods, path in words for method in methods)


def static(count: int) -> list[Route]:
    return numbered(("GET", f"/section-{number % 25}/page-{number}") for number in range(count))


def growing(count: int) -> list[Route]:
    """One half has a parameter."""
    paths = ("/section-{}/page", "/section-{}/items/{{id}}")
    return numbered(("GET", paths[number % 2].format(number // 2)) for number in range(count))


def filled(path: str) -> str:
    """With a value for each parameter: what a client asks."""
    return path.replace("{", "some-").replace("}", "")


def hits(routes: list[Route], most: int = 1000) -> list[Request]:
    """Every route once, in an order that is the same each time; of many routes a part."""
    requests = [(route.method, filled(route.path)) for route in routes]
    random.Random(1).shuffle(requests)
    return requests[:most]


def misses(routes: list[Route]) -> list[Request]:
    """Paths that go one step further than those that exist."""
    answers = Answers(routes)
    longer = [(route.method, f"{filled(route.path)}/nothing") for route in routes]
    return [request for request in longer if answers.right(*request) == MISS]


def not_allowed(routes: list[Route]) -> list[Request]:
    """Paths that exist, with a method that others have."""
    known = {(route.method, route.path) for route in routes}
    paths = dict.fromkeys(route.path for route in routes)
    other = [(method, path) for path in paths for method in METHODS if (method, path) not in known]
    return [(method, filled(path)) for method, path in other]


def parameters(pattern: str, path: str) -> dict[str, str] | None:
    """None where the pattern does not match."""
    wanted, given = pattern.split("/"), path.split("/")
    if len(wanted) != len(given):
        return None
    found = {}
    for want, value in zip(wanted, given, strict=True):
        if want.startswith("{") and value:
            found[want[1:-1]] = value
        elif want != value:
            return None
    return found


class Answers:
    """The right ones, found by trying every route that begins with the same segment."""

    def __init__(self, routes: list[Route]) -> None:
        self.routes: dict[str, list[Route]] = {}
        for route in routes:
            self.routes.setdefault(route.path.split("/")[1], []).append(route)

    def right(self, method: str, path: str) -> Outcome:
        outcome: Outcome = MISS
        for route in self.routes.get(path.split("/")[1], []):
            found = parameters(route.path, path)
            if found is not None and route.method == method:
                return route.target, found
            if found is not None:
                outcome = NOT_ALLOWED
        return outcome
