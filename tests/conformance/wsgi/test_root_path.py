"""--root-path: SCRIPT_NAME and PATH_INFO, whether the proxy in front passes the prefix on or takes it off."""

import json
from wsgiref.util import request_uri

import flask
import pytest
from support.client import Client, request
from support.wsgi import Recorder, ask, environ_of

from velocem import Server


def split(target: str, root_path: str = "/app", *lines: str) -> tuple[str, str]:
    environ = environ_of(request("GET", target, *lines), root_path=root_path)
    return environ["SCRIPT_NAME"], environ["PATH_INFO"]


@pytest.mark.parametrize(
    ("target", "path"),
    [
        # passed on
        ("/app", ""),
        ("/app/", "/"),
        ("/app/page", "/page"),
        ("/app/app/page", "/app/page"),
        ("/app//page", "//page"),
        ("/%61pp/page", "/page"),
        ("/app%2Fpage", "/page"),
        ("/app?x=/app/", ""),
        ("http://test/app/page", "/page"),
        # taken off
        ("/", "/"),
        ("/page", "/page"),
        # only alike
        ("/application", "/application"),
        ("/ap", "/ap"),
        ("/APP/page", "/APP/page"),
        ("//app/page", "//app/page"),
        ("/page/app", "/page/app"),
    ],
)
def test_the_prefix_is_cut_off_where_it_is(target: str, path: str) -> None:
    assert split(target) == ("/app", path)


@pytest.mark.parametrize(
    ("root_path", "script_name"), [("", ""), ("/", ""), ("/app/", "/app"), ("/a/b", "/a/b"), ("/é", "/Ã©")]
)
def test_it_is_a_path_without_a_slash_at_its_end(root_path: str, script_name: str) -> None:
    assert split("/page", root_path) == (script_name, "/page")


def test_bytes_of_utf_8_are_compared() -> None:
    assert split("/%C3%A9/page", "/é") == ("/Ã©", "/page")
    assert split("/%E9/page", "/é") == ("/Ã©", "/é/page")


def test_the_asterisk_is_no_path() -> None:
    environ = environ_of(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", root_path="/app")
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/app", "*")


def test_a_url_is_put_together_again_either_way() -> None:
    for target in ("/app/page?q=1", "/page?q=1"):
        environ = environ_of(request("GET", target), root_path="/app")
        assert request_uri(environ) == "http://test/app/page?q=1"


def test_no_client_sets_it() -> None:
    lines = ["Script-Name: /evil", "SCRIPT_NAME: /evil", "X-Script-Name: /evil", "X-Forwarded-Prefix: /evil"]
    assert split("/page", "", *lines) == ("", "/page")


def test_requests_of_one_connection_with_and_without_it() -> None:
    recorder = Recorder()
    with Server(recorder, root_path="/app") as server, Client(server) as client:
        for target in ("/app/page", "/page", "/app/page", "/app", "/", "/app"):
            client.ask(request("GET", target))
    assert [environ["PATH_INFO"] for environ in recorder.environs] == ["/page", "/page", "/page", "", "/", ""]


def test_in_threads() -> None:
    recorder = Recorder()
    with Server(recorder, root_path="/app", threads=2) as server, Client(server) as client:
        client.ask(request("GET", "/app/page"))
    assert (recorder.environs[0]["SCRIPT_NAME"], recorder.environs[0]["PATH_INFO"]) == ("/app", "/page")


@pytest.mark.parametrize(
    ("prefix", "script_name"), [("/tenant", "/tenant"), ("/", ""), ("//evil", "/app"), ("", "/app")]
)
def test_what_a_trusted_proxy_says_stands_in_its_place(prefix: str, script_name: str) -> None:
    environ = environ_of(
        request("GET", "/app/page", f"X-Forwarded-Prefix: {prefix}"),
        root_path="/app",
        forwarded_allow_ips="127.0.0.1",
        forwarded_headers="x-forwarded-prefix",
    )
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == (script_name, "/page")


def test_flask_routes_below_it_and_makes_urls_with_it() -> None:
    app = flask.Flask(__name__)

    @app.get("/here")
    def here() -> dict[str, str]:
        return {"url": flask.url_for("here")}

    for target in ("/here", "/app/here"):
        response = ask(app, request("GET", target), root_path="/app")
        assert json.loads(response.body) == {"url": "/app/here"}
