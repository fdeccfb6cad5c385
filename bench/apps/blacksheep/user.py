"""A parameter of the path and one of the query, as JSON."""

from blacksheep import Application, Response, json

app = Application()


@app.router.get("/users/{number}")
async def user(number: int, q: str = "") -> Response:
    return json({"id": number, "q": q})
