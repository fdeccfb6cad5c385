"""A parameter of the path."""

from litestar import Litestar, MediaType, get


@get("/users/{number:int}", media_type=MediaType.TEXT)
async def user(number: int) -> str:
    return f"user {number}"


app = Litestar([user], openapi_config=None)
