"""An application that tells what it was given, and the two questions of a table: was it refused, was it served."""

import json
import threading
from collections.abc import Iterable
from typing import Any, NamedTuple

from support.client import Client, Response
from velocem import Server
from velocem.types import StartResponse, WSGIEnvironment

# Sent behind a request that must be the last: this path must never be seen.
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: smuggled\r\n\r\n"

REASONS = {
    400: "Bad Request",
    408: "Request Timeout",
    413: "Content Too Large",
    414: "URI Too Long",
    431: "Request Header Fields Too Large",
    501: "Not Implemented",
    505: "HTTP Version Not Supported",
}


def row_ids(rows: Iterable[tuple[Any, ...]]) -> list[str]:
    """Of a table whose rows begin with the section and a name."""
    return [f"RFC{row[0]} {row[1]}" for row in rows]


class Seen(NamedTuple):
    """What the application was given: the texts of environ, and the body as latin-1."""

    environ: dict[str, str]
    body: str

    @property
    def path(self) -> str:
        return self.environ["PATH_INFO"]


class Echo:
    """Answers with what it saw, as JSON, and remembers it."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.lock = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = environ["wsgi.input"].read().decode("latin-1")
        seen = Seen({key: value for key, value in environ.items() if isinstance(value, str)}, body)
        with self.lock:
            self.seen.append(seen)
        text = json.dumps(seen).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(text)))])
        return [text]

    def paths(self) -> list[str]:
        with self.lock:
            return [seen.path for seen in self.seen]


def seen_by(response: Response) -> Seen:
    environ, body = json.loads(response.body)
    return Seen(environ, body)


def served(server: Server, data: bytes, *, head: bool = False) -> tuple[Response, Any]:
    """The answer to a whole request and, with a body, what the application saw."""
    with Client(server) as client:
        response = client.ask(data, head=head)
        assert response.status == 200, response
        return response, None if head else seen_by(response)


def check_refusal(client: Client, status: int, data: bytes) -> Response:
    """The rest of the connection is one refusal that says nothing of what was sent."""
    response = client.read()
    assert response.status == status, (response.status, data)
    assert response.reason == REASONS[status]
    assert response.get("Connection") == "close"
    assert response.get("Content-Length") == str(len(response.body))
    assert response.body == f"{status} {REASONS[status]}\n".encode()
    assert client.read_all() == b"", "something was served behind a refusal"
    return response


def refused(server: Server, data: bytes, status: int, *, behind: bytes = SMUGGLED) -> Response:
    """The data is refused with this status, and nothing behind it, in the same bytes, is served."""
    before = server.stats()["refused"]
    with Client(server) as client:
        client.send(data + behind)
        response = check_refusal(client, status, data)
    assert server.stats()["refused"] == before + 1
    return response
