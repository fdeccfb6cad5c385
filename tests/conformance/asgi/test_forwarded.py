"""What proxies say of a request, in scopes: the rules are those of WSGI's tests, the places differ."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from support.asgi import answer, ask, http_only, scope_of
from support.client import Client, request

from velocem import Server
from velocem.types import Receive, Scope, Send

US = "127.0.0.1"
LINES = [
    "X-Forwarded-For: 192.0.2.9, 192.0.2.1:47",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: a.example",
    "X-Forwarded-Port: 8443",
    "X-Forwarded-Prefix: /app",
]
ALL = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-forwarded-prefix"]


def hosts(scope: Scope) -> list[bytes]:
    return [value for name, value in scope["headers"] if name == b"host"]


def test_a_stranger_changes_nothing() -> None:
    scope = scope_of(request("GET", "/", *LINES), forwarded_headers=ALL)
    assert (scope["scheme"], scope["root_path"], scope["client"][0]) == ("http", "", US)
    assert scope["server"][0] == US
    assert hosts(scope) == [b"test"]
    assert (b"x-forwarded-proto", b"https") in scope["headers"]


def test_a_trusted_proxy_is_believed() -> None:
    scope = scope_of(request("GET", "/", *LINES), forwarded_allow_ips=US, forwarded_headers=ALL)
    assert (scope["scheme"], scope["root_path"], scope["client"]) == ("https", "/app", ("192.0.2.1", 47))
    assert scope["server"] == ("a.example", 8443)
    assert hosts(scope) == [b"a.example:8443"]


def test_forwarded_too() -> None:
    line = 'Forwarded: for=evil, for="[2001:db8::1]";proto=https;host=a'
    scope = scope_of(request("GET", "/", line), forwarded_allow_ips=US, forwarded_headers="forwarded")
    assert (scope["scheme"], scope["client"], scope["server"]) == ("https", ("2001:db8::1", 0), ("a", 443))


def test_a_websocket_has_a_scheme_of_its_own() -> None:
    scopes: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await receive()
        await send({"type": "websocket.close"})

    fields = ["Connection: upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
    fields.append("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
    ask(http_and_websocket(app), request("GET", "/", *fields, "X-Forwarded-Proto: wss"), forwarded_allow_ips=US)
    ask(http_and_websocket(app), request("GET", "/", *fields))
    assert [scope["scheme"] for scope in scopes] == ["wss", "ws"]


def http_and_websocket(app: Any) -> Any:
    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await app(scope, receive, send)
        else:
            await asyncio.sleep(0)

    return wrapped


def test_the_authority_of_the_target_stands_in_the_place_of_host() -> None:
    """RFC 9112 3.2.2."""
    scope = scope_of(b"GET http://real.example/ HTTP/1.1\r\nHost: forged.example\r\n\r\n")
    assert hosts(scope) == [b"real.example"]


def test_a_unix_socket_is_a_path_without_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    scopes: list[Scope] = []

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await answer(send)

    with Server(http_only(app), bind=["unix:a.sock"]) as server, Client(server) as client:
        assert client.ask(request()).status == 200
    assert (scopes[0]["server"], scopes[0]["client"]) == (("a.sock", None), None)
