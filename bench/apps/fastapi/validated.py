"""JSON that is checked against a model, and JSON made of it."""

from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI(openapi_url=None)


class Item(BaseModel):
    name: str
    price: float
    quantity: int
    tags: list[str]


class Total(BaseModel):
    name: str
    total: float
    tags: int


@app.post("/items")
async def items(item: Item) -> Total:
    return Total(name=item.name, total=item.price * item.quantity, tags=len(item.tags))
