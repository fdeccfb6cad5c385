"""uwsgi packets: what WSGI and ASGI applications see of them, who may send them, what is refused."""

import json
import logging
import socket
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Unpack
from wsgiref.validate import validator

import pytest
from support.asgi import answer, http_only, read
from support.client import Client, Response
from support.packets import Pairs, ask, packet, usual

from velocem import Server
from velocem.config import Options
from velocem.types import Receive, Scope, Send, StartResponse
from velocem.types import WSGIEnvironment as Environ

BIND = "uwsgi://127.0.0.1:0"


def show(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """environ as JSON, with the body."""
    shown = {key: value for key, value in environ.items() if isinstance(value, str)}
    shown["body"] = environ["wsgi.input"].read().decode("latin-1")
    data = json.dumps(shown).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(data)))])
    return [data]


def bound(options: Options) -> Options:
    return {**options, "bind": BIND}


def environ_of(pairs: Pairs, body: bytes = b"", **options: Unpack[Options]) -> dict[str, str]:
    with Server(show, **bound(options)) as server:
        response = ask(server, pairs, body)
    assert response.status == 200, response
    shown: dict[str, str] = json.loads(response.body)
    return shown


def scope_of(pairs: Pairs, **options: Unpack[Options]) -> Scope:
    scopes: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await read(receive)
        scopes.append(scope)
        await answer(send)

    with Server(http_only(app), **bound(options)) as server:
        assert ask(server, pairs).status == 200
    return scopes[0]


# What applications see.


@pytest.mark.parametrize("threads", [0, 2])
def test_environ_has_what_the_packet_says(threads: int) -> None:
    environ = environ_of(usual(HTTP_X_REQUEST_ID="7", HTTP_X_OWN="own", GEO_COUNTRY="is"), threads=threads)
    port = environ.pop("SERVER_SOFTWARE")
    assert port
    assert environ == {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a b",
        "QUERY_STRING": "x=1",
        "SERVER_NAME": "example.org",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.1",
        "REMOTE_PORT": "40000",
        "HTTP_HOST": "example.org",
        "HTTP_X_REQUEST_ID": "7",
        "HTTP_X_OWN": "own",
        "REQUEST_URI": "/a%20b?x=1",
        "REQUEST_SCHEME": "http",
        "DOCUMENT_ROOT": "/usr/share/nginx/html",
        "GEO_COUNTRY": "is",
        "wsgi.url_scheme": "http",
        "body": "",
    }


def test_environ_has_nothing_of_the_packet_before() -> None:
    """Names and values are used again while they are equal; not their places."""
    many = {f"VARIABLE_{number}": str(number) for number in range(40)}
    said: list[dict[str, str]] = [
        {"REMOTE_USER": "ada", "GEO_COUNTRY": "is"},
        {"REMOTE_USER": "ada", "GEO_COUNTRY": "is"},
        {"REMOTE_USER": "eve"},
        {"GEO_COUNTRY": "is", "REMOTE_USER": "ada"},
        {"SERVER_NAME": "example.net", "SERVER_PORT": "8080", "SCRIPT_NAME": "/x"},
        many,
        {"SERVER_NAME": "example.net", "LONG": "x" * 1000},
        {"A_NAME_OF_MORE_THAN_FORTY_CHARACTERS_" + "X" * 10: "1"},
        {"A_NAME_OF_MORE_THAN_FORTY_CHARACTERS_" + "Y" * 10: "1"},
        {},
    ]
    with Server(show, bind=BIND) as server:
        first = json.loads(ask(server, usual()).body)
        for changes in said:
            assert json.loads(ask(server, usual(**changes)).body) == first | changes


def test_environ_is_valid() -> None:
    def app(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"valid"]

    with Server(validator(app), bind=BIND) as server:
        assert ask(server, usual(HTTPS="on")).body == b"valid"


def test_scope_has_what_the_packet_says() -> None:
    scope = scope_of(usual(HTTP_X_OWN="own", HTTPS="on"))
    assert scope["type"] == "http"
    assert scope["path"] == "/a b"
    assert scope["raw_path"] == b"/a%20b"
    assert scope["query_string"] == b"x=1"
    assert scope["scheme"] == "https"
    assert scope["client"] == ("192.0.2.1", 40000)
    assert scope["server"] == ("example.org", 80)
    assert scope["root_path"] == ""
    assert scope["headers"] == [(b"host", b"example.org"), (b"x-own", b"own")]


@pytest.mark.parametrize("path", ["/app/a b", "/a b"])
def test_script_name_is_the_root(path: str) -> None:
    """nginx passes the whole path beside a SCRIPT_NAME, others what is below it."""
    pairs = usual(SCRIPT_NAME="/app", PATH_INFO=path, REQUEST_URI="/app/a%20b")
    environ = environ_of(pairs)
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/app", "/a b")
    scope = scope_of(pairs)
    assert (scope["root_path"], scope["path"], scope["raw_path"]) == ("/app", "/app/a b", b"/app/a%20b")


def test_script_name_stands_in_the_place_of_the_root_path_option() -> None:
    environ = environ_of(usual(SCRIPT_NAME="/other", PATH_INFO="/x"), root_path="/app")
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/other", "/x")
    environ = environ_of(usual(PATH_INFO="/app/x"), root_path="/app")
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/app", "/x")


def test_path_is_not_decoded_twice() -> None:
    """An escape that is left in a decoded path is the client's text; the same bytes undecoded mean something else."""
    both = f"127.0.0.1:{free_port()}"
    with Server(show, bind=[BIND, both]) as server:
        for _ in range(2):
            decoded = json.loads(ask(server.urls[0], usual(PATH_INFO="/a%41", REQUEST_URI="/a%2541")).body)
            assert decoded["PATH_INFO"] == "/a%41"
            with Client(server.urls[1]) as client:
                plain = client.ask(b"GET /a%41 HTTP/1.1\r\nHost: h\r\n\r\n")
            assert json.loads(plain.body)["PATH_INFO"] == "/aA"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def test_path_is_utf_8_in_a_scope_and_latin_1_in_environ() -> None:
    pairs = usual(PATH_INFO="/ä", REQUEST_URI="/%C3%A4")
    assert environ_of(pairs)["PATH_INFO"] == "/ä".encode().decode("latin-1")
    scope = scope_of(pairs)
    assert (scope["path"], scope["raw_path"]) == ("/ä", b"/%C3%A4")


def test_rewritten_path_leaves_the_raw_one() -> None:
    scope = scope_of(usual(PATH_INFO="/new", REQUEST_URI="/old?y", QUERY_STRING="z"))
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/new", b"/old", b"z")


def test_later_versions_are_named() -> None:
    assert environ_of(usual(SERVER_PROTOCOL="HTTP/2.0"))["SERVER_PROTOCOL"] == "HTTP/2.0"
    assert environ_of(usual(SERVER_PROTOCOL="HTTP/1.0"))["SERVER_PROTOCOL"] == "HTTP/1.0"


@pytest.mark.parametrize(
    ("said", "scheme"),
    [
        ({"HTTPS": "on"}, "https"),
        ({"REQUEST_SCHEME": "https"}, "https"),
        ({"UWSGI_SCHEME": "https"}, "https"),
        ({}, "http"),
    ],
)
def test_scheme_is_what_the_client_used(said: dict[str, str], scheme: str) -> None:
    assert environ_of(usual(**said))["wsgi.url_scheme"] == scheme


def test_client_of_a_unix_socket_has_no_address() -> None:
    environ = environ_of(usual(REMOTE_ADDR="unix:", REMOTE_PORT=""))
    assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == ("", "")
    assert scope_of(usual(REMOTE_ADDR="unix:", REMOTE_PORT=""))["client"] is None


def test_further_proxies_are_followed_from_the_client_on() -> None:
    pairs = usual(HTTP_X_FORWARDED_FOR="203.0.113.5", HTTP_X_FORWARDED_PROTO="https")
    assert environ_of(pairs)["REMOTE_ADDR"] == "192.0.2.1"
    believed = environ_of(pairs, forwarded_allow_ips="192.0.2.1")
    assert (believed["REMOTE_ADDR"], believed["wsgi.url_scheme"]) == ("203.0.113.5", "https")
    assert believed["SERVER_NAME"] == "example.org"


# Bodies.


@pytest.mark.parametrize("size", [1, 1000, 70_000, 3_000_000])
@pytest.mark.parametrize("threads", [0, 1])
def test_body_has_the_length_that_is_said(size: int, threads: int) -> None:
    environ = environ_of(usual(REQUEST_METHOD="POST", CONTENT_LENGTH=str(size)), b"x" * size, threads=threads)
    assert (environ["CONTENT_LENGTH"], environ["body"]) == (str(size), "x" * size)


def test_chunks_are_taken_when_no_length_is_said() -> None:
    pairs = usual(REQUEST_METHOD="POST", HTTP_TRANSFER_ENCODING="chunked")
    environ = environ_of(pairs, b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n")
    assert (environ["CONTENT_LENGTH"], environ["body"]) == ("5", "hello")
    assert "HTTP_TRANSFER_ENCODING" not in environ


def test_length_stands_above_the_clients_coding() -> None:
    pairs = usual(REQUEST_METHOD="POST", HTTP_TRANSFER_ENCODING="chunked", CONTENT_LENGTH="5")
    environ = environ_of(pairs, b"hello")
    assert (environ["CONTENT_LENGTH"], environ["body"]) == ("5", "hello")
    assert "HTTP_TRANSFER_ENCODING" not in environ


def test_body_of_unknown_length_ends_with_the_connection() -> None:
    def app(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"one"
        yield b"two"

    with Server(app, bind=BIND) as server:
        response = ask(server, usual())
    assert (response.body, response.framing) == (b"onetwo", "close")


# What is not taken.


def test_packet_sets_nothing_but_cgi_names() -> None:
    names = ["wsgi.input", "wsgi.errors", "wsgi_input", "werkzeug.request", "path_info", "HTTP-X", "", "Ä"]
    pairs = [*usual(HTTP_PROXY="http://evil", HTTP_CONTENT_LENGTH="9"), *((name, "evil") for name in names)]
    environ = environ_of(pairs)
    assert "evil" not in environ.values()
    assert "http://evil" not in environ.values()
    assert {key for key in environ if not key.isupper()} == {"wsgi.url_scheme", "body"}
    assert "CONTENT_LENGTH" not in environ


@pytest.mark.parametrize("name", ["REQUEST_METHOD", "PATH_INFO", "CONTENT_LENGTH", "HTTP_HOST", "HTTP_X_OWN", "OWN"])
def test_duplicates_are_refused(name: str) -> None:
    with Server(show, bind=BIND) as server:
        assert ask(server, [*usual(**{name: "1"}), (name, "1")]).status == 400


def test_limits_are_those_of_http() -> None:
    with Server(show, bind=BIND, limit_body=10, limit_fields=5, limit_target=64, limit_head=2000) as server:
        assert ask(server, usual(CONTENT_LENGTH="11")).status == 413
        assert ask(server, usual(**{f"HTTP_X{i}": "" for i in range(6)})).status == 431
        assert ask(server, usual(REQUEST_URI="/" + "x" * 64)).status == 414
        assert ask(server, usual(OWN="x" * 2000)).status == 431


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


BROKEN = {
    "size beyond the end": packet(usual())[:4] + b"\xff\xff" + packet(usual())[6:],
    "HTTP": b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    "empty": b"\0\0\0\0",
    "modifier": packet(usual(), modifier=5),
    "noise": bytes(range(7, 200)),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("threads", [0, 1])
def test_broken_packet_is_closed_with_a_line(data: bytes, threads: int, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), Server(show, bind=BIND, threads=threads) as server:
        with Client(server) as client:
            client.send(data)
            assert client.is_closed()
        wait_for(lambda: caplog.messages)
        assert caplog.messages[0].startswith("connection from 127.0.0.1 closed: ")
        assert ask(server, usual()).status == 200


def test_broken_packet_is_closed_with_a_line_under_asgi(caplog: pytest.LogCaptureFixture) -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await answer(send)

    with caplog.at_level(logging.WARNING), Server(http_only(app), bind=BIND) as server:
        with Client(server) as client:
            client.send(BROKEN["HTTP"])
            assert client.is_closed()
        wait_for(lambda: caplog.messages)
        assert ask(server, usual()).status == 200


# Who may connect.


def response_of(server: Server, pairs: Pairs) -> Response | None:
    with Client(server) as client:
        client.send(packet(pairs))
        return None if client.is_closed() else client.read()


@pytest.mark.parametrize(
    ("allowed", "served"),
    [("127.0.0.1", True), ("10.0.0.0/8,127.0.0.0/8", True), ("*", True), ("10.0.0.0/8", False), ("unix", False)],
)
def test_only_who_is_allowed_is_spoken_with(allowed: str, served: bool, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), Server(show, bind=BIND, uwsgi_allow_from=allowed) as server:
        assert (ask_or_none(server) is not None) == served
        if not served:
            wait_for(lambda: caplog.messages)
            assert caplog.messages == ["connection from 127.0.0.1 closed: not allowed to speak uwsgi"]


def ask_or_none(server: Server) -> Response | None:
    try:
        return ask(server, usual())
    except (AssertionError, ConnectionError):
        return None


@pytest.mark.parametrize(("allowed", "served"), [("unix", True), ("127.0.0.1", False)])
def test_unix_socket(tmp_path: Path, allowed: str, served: bool) -> None:
    with Server(show, bind=f"uwsgi+unix:{tmp_path}/s", uwsgi_allow_from=allowed) as server:
        assert server.url == f"uwsgi+unix:{tmp_path}/s"
        assert (ask_or_none(server) is not None) == served


def test_both_protocols_stand_beside_each_other(tmp_path: Path) -> None:
    options: dict[str, Any] = {"bind": ["127.0.0.1:0", f"uwsgi://unix:{tmp_path}/s"]}
    with Server(show, **options) as server:
        assert [url.partition(":")[0] for url in server.urls] == ["http", "uwsgi+unix"]
        assert ask(server.urls[1], usual()).status == 200
        with Client(server) as client:
            assert client.ask(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").status == 200
