"""JSON made of a dict, at a path of its own."""

from velocem import App

app = App()


@app.get("/json")
def as_json() -> dict[str, str]:
    return {"message": "Hello, World!"}
