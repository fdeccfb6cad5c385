"""JSON that is checked against a model, here pydantic's as Emmett's own are a database's, and JSON made of it."""

from emmett import App, request, response
from emmett.tools import service
from pydantic import BaseModel, ValidationError

app = App(__name__)


class Item(BaseModel):
    name: str
    price: float
    quantity: int
    tags: list[str]


@app.route("/items", methods="post")
@service.json
async def items() -> object:
    try:
        item = Item.model_validate(await request.body_params)
    except ValidationError as error:
        response.status = 422
        return error.errors()
    return {"name": item.name, "total": item.price * item.quantity, "tags": len(item.tags)}
