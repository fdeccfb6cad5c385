"""Parameters by type: from the path and the query, with defaults and lists; def or async def is your choice."""

from datetime import date

from msgspec import Struct

from velocem import App

app = App()


class Post(Struct):
    id: int
    title: str
    posted: date
    tags: list[str]


POSTS = [Post(n, f"Post {n}", date(2026, 1, n), ["odd"] if n % 2 else ["even"]) for n in range(1, 31)]
PER_PAGE = 10


@app.get("/users/{id:int}/posts")
async def posts(id: int, page: int = 1, tag: list[str] = [], since: date | None = None) -> list[Post]:
    """A page of a user's posts that have all of these tags."""
    found = [one for one in POSTS if set(tag) <= set(one.tags) and (since is None or one.posted >= since)]
    return found[(page - 1) * PER_PAGE : page * PER_PAGE]
