"""--root-path in scopes: every path begins with it, whether the proxy in front passes it on or takes it off."""

import pytest
from support.asgi import answer, http_only, scope_of
from support.client import Client, request

from velocem import Server
from velocem.types import Receive, Scope, Send


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/app", "/app"),
        ("/app/page", "/app/page"),
        ("/page", "/app/page"),
        ("/", "/app/"),
        ("/%61pp/page", "/app/page"),
        ("/application", "/app/application"),
        ("//app", "/app//app"),
    ],
)
def test_a_path_begins_with_it(target: str, path: str) -> None:
    scope = scope_of(request("GET", target), root_path="/app")
    assert (scope["root_path"], scope["path"]) == ("/app", path)
    assert scope["raw_path"] == target.encode(), "as it came"


def test_the_asterisk_is_no_path() -> None:
    scope = scope_of(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", root_path="/app")
    assert (scope["root_path"], scope["path"]) == ("/app", "*")


def test_it_may_have_letters_of_any_language() -> None:
    assert scope_of(request("GET", "/%C3%A9/x"), root_path="/é")["path"] == "/é/x"
    assert scope_of(request("GET", "/x"), root_path="/é/")["path"] == "/é/x"


def test_none_changes_nothing() -> None:
    scope = scope_of(request("GET", "/page"), root_path="/")
    assert (scope["root_path"], scope["path"]) == ("", "/page")


def test_requests_of_one_connection_with_and_without_it() -> None:
    paths: list[str] = []

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        paths.append(scope["path"])
        await answer(send)

    with Server(http_only(app), root_path="/app") as server, Client(server) as client:
        for target in ("/app/page", "/page", "/page", "/app"):
            client.ask(request("GET", target))
    assert paths == ["/app/page", "/app/page", "/app/page", "/app"]


@pytest.mark.parametrize("target", ["/page", "/app/page"])
def test_what_a_trusted_proxy_says_stands_in_its_place(target: str) -> None:
    scope = scope_of(
        request("GET", target, "X-Forwarded-Prefix: /tenant"),
        root_path="/app",
        forwarded_allow_ips="127.0.0.1",
        forwarded_headers="x-forwarded-prefix",
    )
    assert (scope["root_path"], scope["path"]) == ("/tenant", "/tenant/page")
