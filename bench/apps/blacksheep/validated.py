"""JSON that is checked against a model, here pydantic's, and JSON made of it."""

from blacksheep import Application, FromJSON, Response, json
from pydantic import BaseModel

app = Application()


class Item(BaseModel):
    name: str
    price: float
    quantity: int
    tags: list[str]


@app.router.post("/items")
async def items(data: FromJSON[Item]) -> Response:
    item = data.value
    return json({"name": item.name, "total": item.price * item.quantity, "tags": len(item.tags)})
