"""JSON that is checked against a model, msgspec's, on which Litestar is built, and JSON made of it."""

import msgspec
from litestar import Litestar, post


class Item(msgspec.Struct):
    name: str
    price: float
    quantity: int
    tags: list[str]


class Total(msgspec.Struct):
    name: str
    total: float
    tags: int


@post("/items", status_code=200)
async def items(data: Item) -> Total:
    return Total(data.name, data.price * data.quantity, len(data.tags))


app = Litestar([items], openapi_config=None)
