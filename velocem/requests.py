"""A request, for handlers that want more of it than their arguments: ``def show(req: Request)``."""

import json
from functools import cached_property
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from velocem._core import RequestBase
from velocem.headers import Headers


class Request(RequestBase):
    """Made only where a signature asks for it.

    ``method``, ``path`` (decoded), ``raw_path`` and ``query_string`` (bytes), ``scheme``, ``root_path``,
    ``http_version``, ``client`` (address and port, or None), ``path_params``; ``state`` is a dict of yours for as
    long as the request lives. ``body`` is bytes where the route has a Body, and else None.
    """

    @cached_property
    def headers(self) -> Headers:
        """The header fields by name, in any case; ``raw_headers`` has them as they came, as pairs of bytes."""
        return Headers.from_raw(self.raw_headers)

    @cached_property
    def query(self) -> dict[str, list[str]]:
        """The query string by name, all values of each. Text that is not UTF-8 has U+FFFD in it."""
        text = self.query_string.decode("latin-1")
        return parse_qs(text, keep_blank_values=True)

    @cached_property
    def cookies(self) -> dict[str, str]:
        """By name; none of them when the field is broken."""
        try:
            found = SimpleCookie("; ".join(self.headers.all("cookie")))
        except CookieError:
            return {}
        return {name: morsel.value for name, morsel in found.items()}

    @property
    def host(self) -> str:
        """What the client calls this server: the Host field, or empty."""
        return self.headers.get("host", "")

    @property
    def url(self) -> str:
        """The whole address, as the client would see it if no proxy has changed it."""
        query = self.query_string.decode("latin-1")
        path = self.root_path + self.raw_path.decode("latin-1")
        return f"{self.scheme}://{self.host}{path}" + (f"?{query}" if query else "")

    def json(self) -> Any:
        """The body, from JSON. ValueError when it is none; of a route that has a Body."""
        return json.loads(self.body or b"")
