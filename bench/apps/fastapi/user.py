"""A parameter of the path and one of the query, as JSON."""

from fastapi import FastAPI

app = FastAPI(openapi_url=None)


@app.get("/users/{number}")
async def user(number: int, q: str = "") -> dict[str, int | str]:
    return {"id": number, "q": q}
