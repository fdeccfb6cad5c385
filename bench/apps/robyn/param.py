"""A parameter of the path."""

from robyn import Robyn

app = Robyn(__file__)


@app.get("/users/:number")
def user(number: int) -> str:
    return f"user {number}"
