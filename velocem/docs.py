"""The documentation that an application serves of itself: one page, and the OpenAPI document that it shows."""

from importlib.resources import files
from typing import TYPE_CHECKING

from velocem.groups import Endpoint, RouteOptions
from velocem.responses import JSON, Html, Response, encode_json

if TYPE_CHECKING:
    from velocem.app import App

# The page is whole in itself: it asks nobody but the server that it came from.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'"
)


def endpoints(app: "App", page: str, openapi: str) -> list[Endpoint]:
    """Routes of the page and of the document."""

    def show_page() -> Response:
        text = files("velocem").joinpath("docs.html").read_text("utf-8")
        return Html(
            text.replace("openapi.json", relative(page, openapi)),
            headers={"content-security-policy": POLICY, "x-content-type-options": "nosniff"},
        )

    def show_document() -> Response:
        return Response(encode_json(app.openapi()), content_type=JSON)

    options: RouteOptions = {"hidden": True}
    return [
        Endpoint(("GET",), page, show_page, __file__, options),
        Endpoint(("GET",), openapi, show_document, __file__, options),
    ]


def relative(page: str, openapi: str) -> str:
    """From the page to the document: relative, so that it is right behind any prefix of a proxy."""
    up = page.count("/") - 1
    return "../" * up + openapi.lstrip("/")
