"""JSON made of a dict, at a path of its own."""

from robyn import Robyn

app = Robyn(__file__)


@app.get("/json")
def as_json() -> dict[str, str]:
    return {"message": "Hello, World!"}
