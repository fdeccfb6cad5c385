"""A parameter of the path."""

from velocem import App

app = App()


@app.get("/users/{number}")
def user(number: int) -> str:
    return f"user {number}"
