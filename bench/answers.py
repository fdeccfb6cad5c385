"""Checks that a server answers right before it is timed: status, fields and body, byte for byte."""

import http.client
import json
import socket
from typing import IO, Any, cast

from asked import FILLER, Answer, Scenario
from entrants import Entrant

SECONDS = 10


class WrongError(Exception):
    """An answer that is not the one asked for; the text says what came instead."""


class Replay:
    """Lets http.client read one response after another from the same file of a socket."""

    def __init__(self, sock: socket.socket) -> None:
        self.file = sock.makefile("rb")
        self.close_file = self.file.close
        setattr(self.file, "close", lambda: None)  # noqa: B010

    def makefile(self, _mode: str) -> IO[bytes]:
        return self.file

    def response(self) -> tuple[http.client.HTTPResponse, bytes]:
        response = http.client.HTTPResponse(cast("socket.socket", self))
        response.begin()
        return response, response.read()


def check_body(answer: Answer, body: bytes) -> None:
    if answer.value is not None:
        right = value_of(body) == answer.value
    elif answer.pieces:
        right = all(piece in body for piece in answer.pieces)
    else:
        right = body == (FILLER * answer.filler or answer.body)
    if not right:
        raise WrongError(f"body of {len(body)} bytes {body[:40]!r}")


def value_of(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        raise WrongError(f"no JSON: {body[:40]!r}") from None


def check_response(answer: Answer, response: http.client.HTTPResponse, body: bytes) -> None:
    fields = response.headers
    if response.status != answer.status:
        raise WrongError(f"status {response.status}")
    check_body(answer, body)
    types = [value.partition(";")[0].strip() for value in fields.get_all("Content-Type", [])]
    if types != [answer.content_type]:
        raise WrongError(f"Content-Type {', '.join(types) or 'missing'}")
    lengths = fields.get_all("Content-Length", [])
    if lengths not in ([], [str(len(body))]) or (lengths and "Transfer-Encoding" in fields):
        raise WrongError(f"Content-Length {lengths}, Transfer-Encoding {fields['Transfer-Encoding']}")


def check(port: int, scenario: Scenario, entrant: Entrant) -> bytes:
    """Asks twice what the load will ask, and for what must be refused; WrongError says what came instead.

    The body is what every answer under load is compared with.
    """
    load = scenario.load
    if load is None or load.way in {"websocket", "echo"}:
        return b""  # the load generator compares every byte that comes back
    request = scenario.one(f"127.0.0.1:{port}") * load.together
    body = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as sock:
            replay = Replay(sock)
            keeps = load.keep_alive and not entrant.closes
            for _ in range(2 if keeps else 1):
                sock.sendall(request)
                for left in reversed(range(load.together)):
                    response, body = replay.response()
                    check_response(scenario.answer, response, body)
                    if load.keep_alive and left == 0 and response.will_close != entrant.closes:
                        raise WrongError("it closes a connection that should be kept")
            if not keeps and replay.file.read(1) != b"":
                raise WrongError("it keeps a connection that should be closed")
            replay.close_file()
        if scenario.bad_body and entrant.interface != "limit":  # the floor parses nothing
            check_refusal(port, scenario)
    except (OSError, http.client.HTTPException) as error:
        raise WrongError(f"{type(error).__name__} {error}".rstrip()) from error
    return body


def check_refusal(port: int, scenario: Scenario) -> None:
    """A validating application refuses what is not valid."""
    head = scenario.request.format(host=f"127.0.0.1:{port}").replace(
        str(len(scenario.body)), str(len(scenario.bad_body))
    )
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as sock:
        sock.sendall(head.encode() + scenario.bad_body)
        status = Replay(sock).response()[0].status
    if status not in scenario.bad_statuses:
        raise WrongError(f"status {status} for a body that is not valid")
