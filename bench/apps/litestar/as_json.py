"""JSON made of a dict, at a path of its own."""

from litestar import Litestar, get


@get("/json")
async def as_json() -> dict[str, str]:
    return {"message": "Hello, World!"}


app = Litestar([as_json], openapi_config=None)
