"""JSON that is checked against a model, msgspec's as in Falcon's documentation, and JSON made of it."""

import msgspec
from falcon import App, HTTPUnprocessableEntity, Request, Response


class Item(msgspec.Struct):
    name: str
    price: float
    quantity: int
    tags: list[str]


DECODER = msgspec.json.Decoder(Item)


class Items:
    def on_post(self, request: Request, response: Response) -> None:
        item = DECODER.decode(request.bounded_stream.read())
        response.media = {"name": item.name, "total": item.price * item.quantity, "tags": len(item.tags)}


def refuse(request: Request, response: Response, error: msgspec.ValidationError, parameters: object) -> None:
    raise HTTPUnprocessableEntity(description=str(error))


app = App()
app.add_route("/items", Items())
app.add_error_handler(msgspec.ValidationError, refuse)
