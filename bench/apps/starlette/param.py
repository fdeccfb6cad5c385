"""A parameter of the path."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route


async def user(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"user {request.path_params['number']}")


app = Starlette(routes=[Route("/users/{number:int}", user)])
