"""JSON that is checked against a model, and JSON made of it."""

from msgspec import Struct

from velocem import App

app = App()


class Item(Struct):
    name: str
    price: float
    quantity: int
    tags: list[str]


class Total(Struct):
    name: str
    total: float
    tags: int


@app.post("/items")
def items(item: Item) -> Total:
    return Total(name=item.name, total=item.price * item.quantity, tags=len(item.tags))
