"""A parameter of the path."""

from blacksheep import Application, Response, text

app = Application()


@app.router.get("/users/{number}")
async def user(number: int) -> Response:
    return text(f"user {number}")
