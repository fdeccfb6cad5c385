"""JSON made of a dict, at a path of its own."""

from emmett import App
from emmett.tools import service

app = App(__name__)


@app.route("/json")
@service.json
async def as_json() -> dict[str, str]:
    return {"message": "Hello, World!"}
