"""A file that is sent with a form is on disk when the handler answers with its length."""

from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route


async def upload(request: Request) -> PlainTextResponse:
    async with request.form() as form:
        file = form["file"]
        assert isinstance(file, UploadFile)
        return PlainTextResponse(str(file.size))


app = Starlette(routes=[Route("/upload", upload, methods=["POST"])])
