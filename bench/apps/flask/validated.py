"""JSON that is checked against a model, pydantic's as usual, and JSON made of it."""

from flask import Flask, request
from pydantic import BaseModel, ValidationError

app = Flask(__name__)


class Item(BaseModel):
    name: str
    price: float
    quantity: int
    tags: list[str]


@app.post("/items")
def items() -> dict[str, object]:
    item = Item.model_validate_json(request.get_data(cache=False))
    return {"name": item.name, "total": item.price * item.quantity, "tags": len(item.tags)}


@app.errorhandler(ValidationError)
def refuse(error: ValidationError) -> tuple[list[object], int]:
    return error.errors(), 422
