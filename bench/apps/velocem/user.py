"""A parameter of the path and one of the query, as JSON."""

from velocem import App

app = App()


@app.get("/users/{number}")
def user(number: int, q: str = "") -> dict[str, int | str]:
    return {"id": number, "q": q}
