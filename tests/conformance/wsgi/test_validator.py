"""wsgiref.validate between the server and an application that uses every feature."""

import sys
from collections.abc import Iterator
from typing import Any
from wsgiref.validate import validator

import pytest
from support.client import Client, request
from support.wsgi import Serve

BODY = b"first\nsecond\nthird\nfourth\nfifth\nsixth and the rest"
TEXT = [("Content-Type", "text/plain")]


class Everything:
    """Each path is a feature. The validator wants results without len(), and closed."""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        name = environ["PATH_INFO"].strip("/").replace("-", "_")
        return getattr(self, name)(environ, start_response)

    def plain(self, environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        return [b"plain"]

    def keywords(self, environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", TEXT, None)
        return (b"a", b"b")

    def read(self, environ: dict[str, Any], start_response: Any) -> Any:
        stream = environ["wsgi.input"]
        found = (
            stream.read(3) + stream.readline() + stream.readline(4) + b"".join(stream.readlines(6)) + next(iter(stream))
        )
        start_response("200 OK", TEXT)
        return [found + stream.read(int(environ["CONTENT_LENGTH"] or 0))]

    def lines(self, environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        return [b"".join(environ["wsgi.input"].readlines())]

    def iterate(self, environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        return [b"".join(environ["wsgi.input"])]

    def errors(self, environ: dict[str, Any], start_response: Any) -> Any:
        environ["wsgi.errors"].write("written\n")
        environ["wsgi.errors"].writelines(["lines\n"])
        environ["wsgi.errors"].flush()
        start_response("200 OK", TEXT)
        return [b"errors"]

    def write(self, environ: dict[str, Any], start_response: Any) -> Any:
        write = start_response("200 OK", [*TEXT, ("Content-Length", "11")])
        write(b"written ")
        write(b"")
        return [b"...", b""]

    def generator(self, environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", TEXT)
        yield b""
        yield b"gene"
        yield b"rator"

    def replaced(self, environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        try:
            raise ValueError
        except ValueError:
            start_response("503 Service Unavailable", TEXT, sys.exc_info())
        return [b"replaced"]

    def none(self, environ: dict[str, Any], start_response: Any) -> Any:
        start_response("204 No Content", [])
        return []

    def many(self, environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [*TEXT, *[(f"X-Field-{i}", "v" * i) for i in range(40)]])
        return [b"many"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("place", [{"body_memory": 1 << 20}, {"body_memory": 0}], ids=["memory", "file"])
@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/plain", 200, b"plain"),
        ("/keywords", 200, b"ab"),
        ("/read", 200, BODY),
        ("/lines", 200, BODY),
        ("/iterate", 200, BODY),
        ("/errors", 200, b"errors"),
        ("/write", 200, b"written ..."),
        ("/generator", 200, b"generator"),
        ("/replaced", 503, b"replaced"),
        ("/none", 204, b""),
        ("/many", 200, b"many"),
    ],
)
def test_nothing_is_wrong_on_either_side(  # noqa: PLR0917
    path: str,
    status: int,
    body: bytes,
    place: dict[str, Any],
    serve: Serve,
    caplog: pytest.LogCaptureFixture,
    capfd: Any,
) -> None:
    fields = [
        "Content-Type: text/plain",
        "Cookie: a",
        "Cookie: b",
        "X-Own: \xe9",
        "X-Own: \xff",
        "Accept: */*",
        "Proxy: x",
        "A_b: x",
    ]
    chunked = b"POST %s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n"
    with Client(serve(validator(Everything()), **place)) as client:
        for data in (
            request("POST", path + "?a=%20", *fields, body=BODY),
            chunked % (path.encode(), BODY[:5], len(BODY) - 5, BODY[5:]),
            b"POST http://a%s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (path.encode(), len(BODY), BODY),
        ):
            response = client.ask(data)
            assert (response.status, response.body) == (status, body), caplog.text
        if path not in {"/read", "/lines", "/iterate"}:
            assert client.ask(request("GET", path)).body == body, caplog.text
            if path not in {"/write", "/keywords", "/generator"}:
                assert client.ask(request("HEAD", path), head=True).status == status, caplog.text
            old = client.ask(b"GET %s HTTP/1.0\r\n\r\n" % path.encode())
            assert (old.status, old.body) == (status, body), caplog.text
    assert not caplog.records, caplog.text
    assert "AssertionError" not in capfd.readouterr().err
