"""Tests, as pytest finds them: no socket; parser, router and serializer are those of production."""

from examples.bodies import Db, NewUser, User, app
from velocem import Client


class FakeDb(Db):
    """Which knows everyone."""

    async def add(self, new: NewUser) -> User:
        return User(new.name, new.email, 42)


def test_a_user_is_added() -> None:
    with Client(app) as c, app.override(Db, FakeDb()):
        r = c.post("/users", json={"name": "Ada", "email": "ada@example.com"})
        assert r.status == 201
        assert r.json() == {"name": "Ada", "email": "ada@example.com", "id": 42}


def test_a_name_is_not_empty() -> None:
    with Client(app) as c, app.override(Db, FakeDb()):
        r = c.post("/users", json={"name": "", "email": "x"})
        assert r.status == 422
        assert r.json()["errors"][0]["loc"] == ["body", "name"]


def test_a_handler_is_a_function() -> None:
    with Client(app) as c:
        assert c.get("/users/7").json()["user_id"] == 7
