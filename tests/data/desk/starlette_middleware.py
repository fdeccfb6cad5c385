"""Starlette with its own middleware: BaseHTTPMiddleware, sessions, GZip, and the order they stand in."""

import asyncio
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from desk.shared import blocks

LINE = b"the same line again and again\n"
PAGE = LINE * 2000
log: list[str] = []


class Stamp(BaseHTTPMiddleware):
    """It has the application run in a task of its own, with messages between the two through a stream."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        body = await request.body() if request.method == "POST" else b""
        response = await call_next(request)
        response.headers["X-Stamp"] = f"{request.url.path} {len(body)}"
        return response


async def count(request: Request) -> Response:
    request.session["count"] = request.session.get("count", 0) + 1
    return PlainTextResponse(str(request.session["count"]))


async def page(_request: Request) -> Response:
    return Response(PAGE, media_type="text/plain")


async def stream(_request: Request) -> Response:
    async def lines() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield LINE
            await asyncio.sleep(0)

    return StreamingResponse(lines(), media_type="text/plain")


async def endless(_request: Request) -> Response:
    async def forever() -> AsyncIterator[bytes]:
        try:
            while True:
                yield LINE
                await asyncio.sleep(0.001)
        finally:
            log.append("endless ended")

    return StreamingResponse(forever(), media_type="application/octet-stream")


async def echo(request: Request) -> Response:
    return Response(await request.body(), background=BackgroundTask(log.append, "echoed"))


async def fail(_request: Request) -> Response:
    raise KeyError


async def file(_request: Request) -> Response:
    return FileResponse(__file__)


async def plain(_request: Request) -> Response:
    return StreamingResponse(blocks(3))


app = Starlette(
    routes=[
        Route("/count", count),
        Route("/page", page),
        Route("/stream", stream),
        Route("/endless", endless),
        Route("/echo", echo, methods=["POST"]),
        Route("/fail", fail),
        Route("/file", file),
        Route("/plain", plain),
        Mount("/static", StaticFiles(packages=[("desk", ".")])),
    ],
    middleware=[
        Middleware(SessionMiddleware, secret_key="not a secret"),
        Middleware(GZipMiddleware),
        Middleware(Stamp),
    ],
)
