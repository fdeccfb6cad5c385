"""JSON made of a dict, at a path of its own."""

from blacksheep import Application, Response, json

app = Application()


@app.router.get("/json")
async def as_json() -> Response:
    return json({"message": "Hello, World!"})
