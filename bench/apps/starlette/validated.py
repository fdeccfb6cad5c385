"""JSON that is checked against a model, pydantic's as usual, and JSON made of it."""

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


class Item(BaseModel):
    name: str
    price: float
    quantity: int
    tags: list[str]


async def items(request: Request) -> JSONResponse:
    item = Item.model_validate_json(await request.body())
    return JSONResponse({"name": item.name, "total": item.price * item.quantity, "tags": len(item.tags)})


async def refuse(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ValidationError)
    return JSONResponse(error.errors(), 422)


app = Starlette(routes=[Route("/items", items, methods=["POST"])], exception_handlers={ValidationError: refuse})
