"""What can go wrong: before a request is served, each with the one line that says so; and what answers a request."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict


class ConfigError(ValueError):
    """An option that is unknown, out of range, or not in this version. The command exits with 2."""


class ClientDisconnectedError(OSError):
    """What send() of an ASGI application raises once its client has gone."""


class WebSocketClosed(ClientDisconnectedError):
    """A WebSocket that is over: ``code`` and ``reason`` of its close (RFC 6455 7.4)."""

    def __init__(self, code: int = 1006, reason: str = "") -> None:
        super().__init__(f"the WebSocket is closed: {code} {reason}".rstrip())
        self.code = code
        self.reason = reason


class StartError(RuntimeError):
    """An address or an application that cannot be served. The command exits with 3."""


class ApplicationError(StartError):
    """The application's own code failed while it was loaded; ``__cause__`` is what it raised."""


class FieldError(TypedDict):
    """One thing that is wrong with a request: where, as ``["body", "items", 0, "price"]``, and what."""

    loc: list[str | int]
    msg: str


class HTTPError(Exception):
    """An answer with an error status: ``raise HTTPError(418, "short and stout", pot="tea")``.

    It is sent as application/problem+json (RFC 9457): ``detail`` says what happened this time, further keywords
    become members beside it, and ``headers`` are sent as they are. ``status`` is 400 to 599; ValueError otherwise. A
    status that has a class of its own is better raised, and caught, by that: ``raise NotFound("no such user",
    user_id=7)``.
    """

    status: int = 500
    detail: str = ""
    headers: Mapping[str, str] = {}
    extensions: Mapping[str, Any] = {}

    def __init__(
        self, status: int, detail: str = "", *, headers: Mapping[str, str] | None = None, **extensions: Any
    ) -> None:
        if not 400 <= status <= 599:
            raise ValueError(f"an error's status is 400 to 599, not {status}")
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}
        self.extensions = extensions

    def __str__(self) -> str:
        return self.detail or title_of(self.status)


class _Named(HTTPError):
    """One whose class says the status."""

    def __init__(self, detail: str = "", *, headers: Mapping[str, str] | None = None, **extensions: Any) -> None:
        super().__init__(self.status, detail, headers=headers, **extensions)


class BadRequest(_Named):
    """400: what was sent cannot be understood."""

    status = 400


class Unauthorized(_Named):
    """401: who asks has not said who it is; RFC 9110 wants ``headers={"www-authenticate": ...}`` with it."""

    status = 401


class Forbidden(_Named):
    """403: who asks may not."""

    status = 403


class NotFound(_Named):
    """404: there is nothing of that name. The router's NotFound is one of these."""

    status = 404


class MethodNotAllowed(_Named):
    """405: there is, but not for this method; RFC 9110 wants ``headers={"allow": ...}`` with it."""

    status = 405


class NotAcceptable(_Named):
    """406: in none of the forms that the client takes."""

    status = 406


class Conflict(_Named):
    """409: it clashes with what is there."""

    status = 409


class Gone(_Named):
    """410: there was, and will not be again."""

    status = 410


class PreconditionFailed(_Named):
    """412: it is not as If-Match and the like have it."""

    status = 412


class ContentTooLarge(_Named):
    """413: the body is larger than is taken."""

    status = 413


class UnsupportedMediaType(_Named):
    """415: the body is of a type that is not taken."""

    status = 415


class Invalid(_Named, ValueError):
    """422: understood, and wrong. ``errors`` says where and what: ``[{"loc": ["query", "page"], "msg": "..."}]``."""

    status = 422

    def __init__(
        self,
        errors: Sequence[FieldError] = (),
        detail: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        **extensions: Any,
    ) -> None:
        super().__init__(detail, headers=headers, **extensions)
        self.errors = list(errors)
        if self.errors:
            self.extensions = {**extensions, "errors": self.errors}

    def __str__(self) -> str:
        told = "; ".join(f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in self.errors)
        return told or super().__str__()


class TooManyRequests(_Named):
    """429: later, please; ``headers={"retry-after": "30"}`` says when."""

    status = 429


class ServiceUnavailable(_Named):
    """503: not now."""

    status = 503


BY_STATUS: Mapping[int, type[_Named]] = {
    kind.status: kind
    for kind in (
        BadRequest,
        Unauthorized,
        Forbidden,
        NotFound,
        MethodNotAllowed,
        NotAcceptable,
        Conflict,
        Gone,
        PreconditionFailed,
        ContentTooLarge,
        UnsupportedMediaType,
        TooManyRequests,
        ServiceUnavailable,
    )
}


# RFC 9110 has renamed two that older Pythons know by their former names.
RENAMED = {413: "Content Too Large", 422: "Unprocessable Content"}


def title_of(status: int) -> str:
    """What RFC 9110 calls a status; "Error" for one that has no name."""
    if status in RENAMED:
        return RENAMED[status]
    from http import HTTPStatus  # noqa: PLC0415

    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
