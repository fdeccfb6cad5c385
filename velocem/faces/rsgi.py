"""The RSGI face, which Granian calls: its scope and protocol as those of ASGI."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from velocem.faces.asgi import Asgi


class Rsgi:
    """An application's RSGI face (RSGI 1.6), over its ASGI one."""

    def __init__(self, asgi: "Asgi") -> None:
        self.asgi = asgi

    async def __call__(self, scope: Any, protocol: Any) -> None:
        if scope.proto != "http":
            protocol.close(403)
            return
        exchange = Exchange(protocol)
        await self.asgi(scope_of(scope), exchange.receive, exchange.send)


def scope_of(scope: Any) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": scope.http_version,
        "method": scope.method,
        "scheme": scope.scheme,
        "path": scope.path,
        "raw_path": None,
        "query_string": scope.query_string.encode("latin-1"),
        "root_path": "",
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in scope.headers.items()],
        "client": address(scope.client),
        "server": address(scope.server),
    }


def address(text: str) -> tuple[str, int] | None:
    host, _, port = text.rpartition(":")
    return (host.strip("[]"), int(port)) if host and port.isdigit() else None


class Exchange:
    """receive() and send() of one request."""

    def __init__(self, protocol: Any) -> None:
        self.protocol = protocol
        self.head: dict[str, Any] = {}
        self.transport: Any = None
        self.read = False

    async def receive(self) -> dict[str, Any]:
        if self.read or self.head:  # a body that nobody wanted is not read behind a response
            await self.protocol.client_disconnect()
            return {"type": "http.disconnect"}
        self.read = True
        return {"type": "http.request", "body": await self.protocol(), "more_body": False}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.head = message
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        if self.transport is None:
            headers = [(str(name, "latin-1"), str(value, "latin-1")) for name, value in self.head.get("headers", ())]
            if not more:
                self.protocol.response_bytes(self.head["status"], headers, bytes(body))
                return
            self.transport = self.protocol.response_stream(self.head["status"], headers)
        if body:
            await self.transport.send_bytes(bytes(body))
        if not more:
            self.transport = None  # its end is the response's
