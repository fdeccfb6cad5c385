"""A parameter of the path and one of the query, as JSON."""

from litestar import Litestar, get


@get("/users/{number:int}")
async def user(number: int, q: str = "") -> dict[str, int | str]:
    return {"id": number, "q": q}


app = Litestar([user], openapi_config=None)
