"""The router alone, in any application: python -m examples.routing GET /users/42."""

import sys
from typing import Any

from velocem import Router
from velocem.router import MethodNotAllowed, NotFound


def handler(id: int) -> str:
    return f"user {id}"


r = Router()
r.add("GET", "/users/{id:int}", handler, name="user")


def answer(method: str, path: str) -> str:
    target: Any
    try:
        target, params = r.lookup(method, path)
    except MethodNotAllowed as error:
        return f"{path} has {', '.join(error.allow)}"
    except NotFound:
        return f"there is no {path}"
    return str(target(**params))


if __name__ == "__main__":
    print(answer(*sys.argv[1:]))  # noqa: T201
    print("user 42 is at", r.url("user", id=42))  # noqa: T201
