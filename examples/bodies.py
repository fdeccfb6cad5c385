"""A model in, a model out: a Struct here; a dataclass, TypedDict, attrs class or pydantic model works the same."""

from collections.abc import AsyncIterator
from typing import Annotated

from msgspec import Meta, Struct

from velocem import App, NotFound

app = App(title="Users", version="1.0")


class NewUser(Struct):
    name: Annotated[str, Meta(min_length=1)]
    email: str


class User(NewUser):
    id: int


class Db:
    """In the place of a database."""

    def __init__(self) -> None:
        self.users: dict[int, User] = {}

    async def add(self, new: NewUser) -> User:
        user = User(new.name, new.email, len(self.users) + 1)
        self.users[user.id] = user
        return user


@app.lifespan
async def database() -> AsyncIterator[Db]:
    yield Db()


@app.post("/users", status=201)
async def create(new: NewUser, db: Db) -> User:
    return await db.add(new)


@app.get("/users/{id:int}")
async def show(id: int, db: Db) -> User:
    if id not in db.users:
        raise NotFound("no such user", user_id=id)
    return db.users[id]
