"""A client for tests: no sockets, and the same parsing, routing, conversion and rendering as in production."""

import asyncio
import contextvars
import json as json_module
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from functools import partial
from http.cookies import CookieError, SimpleCookie
from types import TracebackType
from typing import Any, Self, TypedDict, Unpack
from urllib.parse import quote, unquote, urlencode, urlsplit

from velocem.app import App
from velocem.binding import encode
from velocem.faces.answers import answer, bodiless, limit_of, parts_of
from velocem.faces.forms import form_of
from velocem.headers import Headers, RawPairs
from velocem.running import Running
from velocem.types import ASGIApplication

Pair = str | int | float | bool
Values = Mapping[str, Pair | Sequence[Pair]] | Sequence[tuple[str, Pair]]


class Sent(TypedDict, total=False):
    """What may be sent with a request.

    ``params`` go into the query string. One of ``json``, ``data`` (a form) and ``body`` (bytes, or text as UTF-8) is
    the body; the first two say their Content-Type. With ``files``, by the names of their fields, each as (file name,
    bytes, media type), the form is a multipart one. ``headers`` are added last, and ``cookies`` to those that
    responses have set.
    """

    params: Values
    headers: Mapping[str, str] | Iterable[tuple[str, str]]
    cookies: Mapping[str, str]
    json: Any
    data: Values
    files: Mapping[str, tuple[str, bytes, str]]
    body: bytes | str


class Answer:
    """A response as a client has it: ``status``, ``headers`` (by name, in any case) and ``body`` (bytes)."""

    def __init__(self, status: int, headers: Headers, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def text(self) -> str:
        """The body as UTF-8; UnicodeDecodeError when it is none."""
        return self.body.decode()

    def json(self) -> Any:
        """The body from JSON; ValueError when it is none."""
        return json_module.loads(self.body)

    def __repr__(self) -> str:
        return f"<{self.status} {self.headers.get('content-type', '')} {self.body[:200]!r}>"


class AsyncClient:
    """``async with AsyncClient(app) as c: r = await c.get("/")``: on the loop that runs; with the lifespan.

    What a handler raises without an answer for it is a 500, and in the log, as in production. ``threads=True`` runs
    every ``def`` in a thread.
    """

    def __init__(
        self, app: App, *, base_url: str = "http://testserver", threads: bool = False, development: bool = False
    ) -> None:
        parts = urlsplit(base_url)
        self.app = app
        self.cookies: dict[str, str] = {}
        self._scheme = parts.scheme
        self._host = parts.netloc
        self._threads = threads
        self._development = development
        self._running: Running | None = None

    async def __aenter__(self) -> Self:
        self._running = Running(self.app, threads=self._threads, development=self._development)
        await self._running.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        running, self._running = self._running, None
        if running is not None:
            await running.stop()

    async def request(self, method: str, url: str, **sent: Unpack[Sent]) -> Answer:
        """Any method; ``url`` is a path with or without a query."""
        path, _, query = url.partition("#")[0].partition("?")
        if "params" in sent:
            query += ("&" if query else "") + urlencode(pairs(sent["params"]))
        body, kind = body_of(sent)
        headers = self._headers(sent, len(body) if "body" in sent or body else None, kind)
        status, got, content = await self._exchange(method.upper(), quoted(path), query.encode(), headers.raw(), body)
        found = Answer(status, Headers.from_raw(got), content)
        self._keep_cookies(found.headers)
        return found

    async def get(self, url: str, **sent: Unpack[Sent]) -> Answer:
        """GET."""
        return await self.request("GET", url, **sent)

    async def head(self, url: str, **sent: Unpack[Sent]) -> Answer:
        """HEAD."""
        return await self.request("HEAD", url, **sent)

    async def options(self, url: str, **sent: Unpack[Sent]) -> Answer:
        """OPTIONS."""
        return await self.request("OPTIONS", url, **sent)

    async def post(self, url: str, **sent: Unpack[Sent]) -> Answer:
        """POST."""
        return await self.request("POST", url, **sent)

    async def put(self, url: str, **sent: Unpack[Sent]) -> Answer:
        """PUT."""
        return await self.request("PUT", url, **sent)

    async def patch(self, url: str, **sent: Unpack[Sent]) -> Answer:
        """PATCH."""
        return await self.request("PATCH", url, **sent)

    async def delete(self, url: str, **sent: Unpack[Sent]) -> Answer:
        """DELETE."""
        return await self.request("DELETE", url, **sent)

    # --- inside

    def _headers(self, sent: Sent, length: int | None, kind: str) -> Headers:
        headers = Headers({"host": self._host, "user-agent": "velocem-testing"})
        if kind:
            headers["content-type"] = kind
        if length is not None:
            headers["content-length"] = str(length)
        cookies = {**self.cookies, **sent.get("cookies", {})}
        if cookies:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        given = Headers(sent.get("headers", ()))
        for name in given:
            headers.pop(name, None)
        headers.pairs += given.pairs
        return headers

    async def _exchange(
        self, method: str, path: bytes, query: bytes, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> tuple[int, Iterable[tuple[bytes, bytes]], bytes]:
        running = self._running
        if running is None:
            raise RuntimeError("the client is not open: with Client(app) as c")
        call = running.core().call(
            method, path, query, headers, client=("testclient", 50000), server=(self._host, 80), scheme=self._scheme
        )
        form = form_of(call, headers, self.app)
        if form is not None or call.mounted:
            face = running.router.asgi if form is None else partial(self.app.asgi.upload, running, form, call)
            found = await by_asgi(face, scope_of(self._scheme, method, path, query, headers), body)
            await running.endings.settle()
            return found
        reply = await answer(call, body[: limit_of(call) + 1] if call.wants_body else b"")
        parts = parts_of(reply)
        try:
            whole = parts.body if isinstance(parts.body, bytes) else b"".join([piece async for piece in parts.body])
        finally:
            await parts.close()
            await running.endings.settle()
        return parts.status, parts.headers, b"" if bodiless(method, parts.status) else whole

    def _keep_cookies(self, headers: Headers) -> None:
        for text in headers.all("set-cookie"):
            try:
                jar = SimpleCookie(text)
            except CookieError:
                continue
            for name, morsel in jar.items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value


class Client:
    """``with Client(app) as c: r = c.get("/")``: a loop of its own, which runs while there is something to wait for.

    It is not for use where a loop runs already: there it is AsyncClient.
    """

    def __init__(
        self, app: App, *, base_url: str = "http://testserver", threads: bool = False, development: bool = False
    ) -> None:
        self._client = AsyncClient(app, base_url=base_url, threads=threads, development=development)
        self._runner = asyncio.Runner()

    @property
    def cookies(self) -> dict[str, str]:
        """What responses have set, by name; sent with every request."""
        return self._client.cookies

    def __enter__(self) -> Self:
        try:
            self._runner.run(self._client.__aenter__())
        except BaseException:
            self._runner.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        try:
            self._runner.run(self._client.__aexit__(kind, error, tb))
        finally:
            self._runner.close()

    def request(self, method: str, url: str, **sent: Unpack[Sent]) -> Answer:
        """Any method; ``url`` is a path with or without a query."""
        return self._runner.run(self._client.request(method, url, **sent), context=contextvars.copy_context())

    def get(self, url: str, **sent: Unpack[Sent]) -> Answer:
        """GET."""
        return self.request("GET", url, **sent)

    def head(self, url: str, **sent: Unpack[Sent]) -> Answer:
        """HEAD."""
        return self.request("HEAD", url, **sent)

    def options(self, url: str, **sent: Unpack[Sent]) -> Answer:
        """OPTIONS."""
        return self.request("OPTIONS", url, **sent)

    def post(self, url: str, **sent: Unpack[Sent]) -> Answer:
        """POST."""
        return self.request("POST", url, **sent)

    def put(self, url: str, **sent: Unpack[Sent]) -> Answer:
        """PUT."""
        return self.request("PUT", url, **sent)

    def patch(self, url: str, **sent: Unpack[Sent]) -> Answer:
        """PATCH."""
        return self.request("PATCH", url, **sent)

    def delete(self, url: str, **sent: Unpack[Sent]) -> Answer:
        """DELETE."""
        return self.request("DELETE", url, **sent)


def pairs(values: Values) -> list[tuple[str, str]]:
    """With true and false as JSON has them, and a pair for each of several values."""
    given = list(values.items()) if isinstance(values, Mapping) else list(values)
    found: list[tuple[str, str]] = []
    for name, value in given:
        several = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        found += [(name, str(one).lower() if isinstance(one, bool) else str(one)) for one in several]
    return found


def body_of(sent: Sent) -> tuple[bytes, str]:
    """The bytes and their media type. TypeError for several bodies."""
    kinds = sent.keys() & {"json", "data", "body", "files"}
    if len(kinds) > 1 and kinds != {"data", "files"}:
        raise TypeError("a request has one body: json, data (with files or without) or body")
    if "json" in sent:
        return encode(sent["json"]), "application/json"
    if "files" in sent:
        return multipart(pairs(sent.get("data", ())), sent["files"])
    if "data" in sent:
        return urlencode(pairs(sent["data"])).encode(), "application/x-www-form-urlencoded"
    body = sent.get("body", b"")
    return (body.encode() if isinstance(body, str) else body), ""


def multipart(fields: Sequence[tuple[str, str]], files: Mapping[str, tuple[str, bytes, str]]) -> tuple[bytes, str]:
    """The body of a form with files (RFC 7578)."""
    boundary = secrets.token_hex()
    disposition = f'--{boundary}\r\ncontent-disposition: form-data; name="%s"'
    parts = [f"{disposition % name}\r\n\r\n{value}\r\n".encode() for name, value in fields]
    for name, (filename, data, kind) in files.items():
        head = f'{disposition % name}; filename="{filename}"\r\ncontent-type: {kind}\r\n\r\n'
        parts.append(head.encode() + data + b"\r\n")
    return b"".join([*parts, f"--{boundary}--\r\n".encode()]), f"multipart/form-data; boundary={boundary}"


def quoted(path: str) -> bytes:
    """A path as it is sent: what is escaped stays so."""
    return quote(path, safe="/%-._~!$&'()*+,;=:@").encode()


def scope_of(scheme: str, method: str, path: bytes, query: bytes, headers: RawPairs) -> dict[str, Any]:
    """As a server would make it."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": scheme,
        "path": unquote(path.decode("latin-1")),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": headers,
        "client": ("testclient", 50000),
        "server": ("testserver", 80),
        "state": {},
    }


async def by_asgi(face: ASGIApplication, scope: dict[str, Any], body: bytes) -> tuple[int, RawPairs, bytes]:
    """What a mount answers, or the ASGI face."""
    begun: list[dict[str, Any]] = []
    content = bytearray()

    async def messages() -> AsyncIterator[dict[str, Any]]:
        yield {"type": "http.request", "body": body, "more_body": False}
        while True:
            yield {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            begun.append(message)
        else:
            content.extend(message.get("body", b""))

    await face(scope, messages().__anext__, send)
    content = bytearray() if scope["method"] == "HEAD" else content
    return begun[0]["status"], list(begun[0].get("headers", ())), bytes(content)
