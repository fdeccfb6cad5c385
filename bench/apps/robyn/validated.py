"""JSON that is checked against a model, pydantic's as usual, and JSON made of it."""

from pydantic import BaseModel
from robyn import Robyn

app = Robyn(__file__)


class Item(BaseModel):
    name: str
    price: float
    quantity: int
    tags: list[str]


@app.post("/items")
def items(item: Item) -> dict[str, object]:
    return {"name": item.name, "total": item.price * item.quantity, "tags": len(item.tags)}
