"""JSON that is checked against a model, pydantic's as usual, and JSON made of it."""

from typing import Any

from pydantic import BaseModel, ValidationError


class Item(BaseModel):
    name: str
    price: float
    quantity: int
    tags: list[str]


async def items(response: Any, request: Any) -> None:
    body = await response.get_data()
    try:
        item = Item.model_validate_json(body.getvalue())
    except ValidationError as error:
        refused = error.errors()
        response.cork(lambda response: response.write_status(422).end(refused))
        return
    total = {"name": item.name, "total": item.price * item.quantity, "tags": len(item.tags)}
    response.cork(lambda response: response.end(total))


def app(server: Any) -> None:
    server.post("/items", items)
