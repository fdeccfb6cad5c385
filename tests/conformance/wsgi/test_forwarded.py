"""What proxies say of a request, by X-Forwarded-* and Forwarded (RFC 7239), and who is believed."""

import json
import re
import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from wsgiref.util import request_uri

import flask
import pytest
from support.client import Client, request
from support.process import Process
from support.wsgi import Recorder, ask, environ_of
from werkzeug.middleware.proxy_fix import ProxyFix

from velocem import Server

US = "127.0.0.1"  # the proxy of these tests, as the server sees it
X_ALL = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-forwarded-prefix"]

SPOOFED = [
    "X-Forwarded-For: 192.0.2.1",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: evil.example",
    "X-Forwarded-Port: 1234",
    "X-Forwarded-Prefix: /evil",
    "Forwarded: for=192.0.2.2;proto=https;host=evil.example",
    "X-Real-IP: 192.0.2.3",
    "X-Forwarded-Scheme: https",
    "X-Forwarded-Ssl: on",
    "X-Script-Name: /evil",
    "Script-Name: /evil",
    "Remote-Addr: 192.0.2.4",
]

CHANGED = ["REMOTE_ADDR", "wsgi.url_scheme", "HTTP_HOST", "SERVER_NAME", "SERVER_PORT", "SCRIPT_NAME", "PATH_INFO"]


def told(environ: dict[str, Any]) -> dict[str, str]:
    """What proxies can change, without the port that the system has picked."""
    return {key: re.sub(r"^\d{5}$", "PICKED", environ[key]) for key in CHANGED}


def believing(
    *lines: str,
    trust: str | Sequence[str] = US,
    headers: str | Sequence[str] = ("x-forwarded-for", "x-forwarded-proto"),
) -> dict[str, str]:
    data = request("GET", "/path", *lines)
    return told(environ_of(data, forwarded_allow_ips=trust, forwarded_headers=headers))


PLAIN = {
    "REMOTE_ADDR": US,
    "wsgi.url_scheme": "http",
    "HTTP_HOST": "test",
    "SERVER_NAME": US,
    "SERVER_PORT": "PICKED",
    "SCRIPT_NAME": "",
    "PATH_INFO": "/path",
}


# Strangers.


@pytest.mark.parametrize("trust", [(), "10.0.0.0/8, ::1, unix", ["127.0.0.2", "126.0.0.0/8", "128.0.0.0/1"]])
@pytest.mark.parametrize("headers", [X_ALL, ["forwarded"]])
def test_what_a_stranger_says_changes_nothing(trust: str | Sequence[str], headers: list[str]) -> None:
    assert believing(*SPOOFED, trust=trust, headers=headers) == PLAIN


def test_loopback_is_a_stranger_too_unless_it_is_named() -> None:
    assert told(environ_of(request("GET", "/path", *SPOOFED))) == PLAIN


def test_the_fields_of_a_stranger_stay_what_they_are() -> None:
    environ = environ_of(request("GET", "/", *SPOOFED))
    assert environ["HTTP_X_FORWARDED_FOR"] == "192.0.2.1"
    assert environ["HTTP_FORWARDED"] == "for=192.0.2.2;proto=https;host=evil.example"
    assert environ["HTTP_REMOTE_ADDR"] == "192.0.2.4"


def test_an_address_said_to_be_trusted_is_not_trusted_for_it() -> None:
    lines = ["X-Forwarded-For: 10.0.0.1, 10.0.0.1", "X-Forwarded-Proto: https"]
    assert believing(*lines, trust="10.0.0.0/8") == PLAIN


# A trusted proxy.


def test_client_and_scheme_unless_more_is_asked_for() -> None:
    environ = environ_of(request("GET", "/path", *SPOOFED), forwarded_allow_ips=US)
    assert told(environ) == PLAIN | {"REMOTE_ADDR": "192.0.2.1", "wsgi.url_scheme": "https"}


def test_only_the_family_that_is_chosen() -> None:
    assert believing(*SPOOFED, headers="forwarded") == PLAIN | {
        "REMOTE_ADDR": "192.0.2.2",
        "wsgi.url_scheme": "https",
        "HTTP_HOST": "evil.example",
        "SERVER_NAME": "evil.example",
        "SERVER_PORT": "443",
    }


CASES: list[tuple[list[str], dict[str, str]]] = [
    (["X-Forwarded-For: 192.0.2.1"], {"REMOTE_ADDR": "192.0.2.1"}),
    (["X-Forwarded-For: 2001:db8::0001"], {"REMOTE_ADDR": "2001:db8::1"}),
    (["X-Forwarded-For: [2001:db8::1]:47"], {"REMOTE_ADDR": "2001:db8::1"}),
    (["X-Forwarded-For: ::ffff:192.0.2.1"], {"REMOTE_ADDR": "192.0.2.1"}),
    (["X-Forwarded-For: 198.51.100.1, 192.0.2.1, 127.0.0.1"], {"REMOTE_ADDR": "192.0.2.1"}),
    (["X-Forwarded-For: 127.0.0.1, 192.0.2.1"], {"REMOTE_ADDR": "192.0.2.1"}),
    (["X-Forwarded-For: 198.51.100.1", "X-Forwarded-For: 192.0.2.1"], {"REMOTE_ADDR": "192.0.2.1"}),
    (["X-Forwarded-For: evil, 192.0.2.1"], {"REMOTE_ADDR": "192.0.2.1"}),
    (["X-Forwarded-For: 192.0.2.1, evil"], {}),
    (["X-Forwarded-For: 192.0.2.1, <script>"], {}),
    (["X-Forwarded-For: unknown"], {}),
    (["X-Forwarded-For: 192.0.2.1; DROP TABLE"], {}),
    (["X_Forwarded_For: 192.0.2.1", "X_FORWARDED_PROTO: https"], {}),
    (["X-Forwarded-Proto: HTTPS"], {"wsgi.url_scheme": "https"}),
    (["X-Forwarded-Proto: https, http"], {}),
    (["X-Forwarded-Proto: http", "X-Forwarded-Proto: https"], {"wsgi.url_scheme": "https"}),
    (["X-Forwarded-Proto: javascript"], {}),
    (["X-Forwarded-Host: a.example"], {"HTTP_HOST": "a.example", "SERVER_NAME": "a.example", "SERVER_PORT": "80"}),
    (["X-Forwarded-Host: evil, a:81"], {"HTTP_HOST": "a:81", "SERVER_NAME": "a", "SERVER_PORT": "81"}),
    (["X-Forwarded-Host: a.example/evil"], {}),
    (["X-Forwarded-Host: a.example\\evil"], {}),
    (["X-Forwarded-Host: user@evil"], {}),
    (["X-Forwarded-Host:"], {}),
    (["X-Forwarded-Port: 8443"], {"HTTP_HOST": "test:8443", "SERVER_PORT": "8443"}),
    (
        ["X-Forwarded-Port: 443", "X-Forwarded-Proto: https", "X-Forwarded-Host: a:80"],
        {"HTTP_HOST": "a", "SERVER_NAME": "a", "SERVER_PORT": "443", "wsgi.url_scheme": "https"},
    ),
    (["X-Forwarded-Port: 80 "], {"SERVER_PORT": "80"}),
    (["X-Forwarded-Port: eighty"], {}),
    (["X-Forwarded-Prefix: /app/"], {"SCRIPT_NAME": "/app"}),
    (["X-Forwarded-Prefix: /evil, /app"], {"SCRIPT_NAME": "/app"}),
    (["X-Forwarded-Prefix: //evil.example"], {}),
    (["X-Forwarded-Prefix: https://evil.example"], {}),
    (["X-Forwarded-Prefix: /a/../b"], {}),
    (["X-Forwarded-Prefix: /%2e%2e"], {}),
]


@pytest.mark.parametrize(
    ("lines", "changes"), CASES, ids=lambda case: "; ".join(case) if isinstance(case, list) else ""
)
def test_x_forwarded(lines: list[str], changes: dict[str, str]) -> None:
    assert believing(*lines, headers=X_ALL) == PLAIN | changes


FORWARDED: list[tuple[list[str], dict[str, str]]] = [
    (["Forwarded: for=192.0.2.1;proto=https"], {"REMOTE_ADDR": "192.0.2.1", "wsgi.url_scheme": "https"}),
    (['Forwarded: FOR="[2001:db8::1]:47"; By=_x'], {"REMOTE_ADDR": "2001:db8::1"}),
    (["Forwarded: for=127.0.0.1;host=evil, for=192.0.2.1"], {"REMOTE_ADDR": "192.0.2.1"}),
    (['Forwarded: for="evil, for=192.0.2.1'], {"REMOTE_ADDR": "192.0.2.1"}),
    (['Forwarded: for="evil', 'Forwarded: for="192.0.2.1"'], {"REMOTE_ADDR": "192.0.2.1"}),
    (
        ["Forwarded: for=evil;host=evil, for=192.0.2.1;proto=https, for=127.0.0.1;proto=http"],
        {"REMOTE_ADDR": "192.0.2.1", "wsgi.url_scheme": "https"},
    ),
    (["Forwarded: for=192.0.2.1;proto=https, for=_hidden"], {}),
    (["Forwarded: for=192.0.2.1, for=unknown"], {}),
    (["Forwarded: for=192.0.2.1, for=127.0.0.1;for=127.0.0.1"], {}),
    (["Forwarded: for=192.0.2.1, for=127.0.0.1:80"], {}),
    (["Forwarded: for=2001:db8::1"], {}),
    (['Forwarded: host="a/evil"'], {}),
    (['Forwarded: host="a:81"'], {"HTTP_HOST": "a:81", "SERVER_NAME": "a", "SERVER_PORT": "81"}),
]


@pytest.mark.parametrize(("lines", "changes"), FORWARDED)
def test_forwarded(lines: list[str], changes: dict[str, str]) -> None:
    assert believing(*lines, headers="forwarded") == PLAIN | changes


def test_the_port_of_the_client_is_known_or_empty() -> None:
    for said, port in (("192.0.2.1:47", "47"), ("192.0.2.1", "")):
        data = request("GET", "/", f"X-Forwarded-For: {said}")
        assert environ_of(data, forwarded_allow_ips=US)["REMOTE_PORT"] == port


def test_everything_it_makes_is_str_of_the_right_kind() -> None:
    lines = ["X-Forwarded-For: 192.0.2.1", "X-Forwarded-Host: ex\u00e4mple", "X-Forwarded-Prefix: /\u00e4"]
    environ = environ_of(request("GET", "/", *lines), forwarded_allow_ips=US, forwarded_headers=X_ALL)
    assert environ["HTTP_HOST"] == "test"
    assert environ["SCRIPT_NAME"] == ""
    assert all(type(environ[key]) is str for key in CHANGED)


def test_requests_of_one_connection_are_told_apart() -> None:
    recorder = Recorder()
    with Server(recorder, forwarded_allow_ips=US, forwarded_headers=X_ALL) as server, Client(server) as client:
        lines = ["X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: a"]
        client.ask(request("GET", "/", *lines, "X-Forwarded-Prefix: /app"))
        client.ask(request("POST", "/", "X-Forwarded-For: 192.0.2.9", body=b"x"))
        client.ask(request("GET", "/path"))
    first, second, third = recorder.environs
    assert told(first) == PLAIN | {
        "REMOTE_ADDR": "192.0.2.1",
        "wsgi.url_scheme": "https",
        "HTTP_HOST": "a",
        "SERVER_NAME": "a",
        "SERVER_PORT": "443",
        "SCRIPT_NAME": "/app",
        "PATH_INFO": "/",
    }
    assert told(second) == PLAIN | {"REMOTE_ADDR": "192.0.2.9", "PATH_INFO": "/"}
    assert told(third) == PLAIN


def test_the_same_in_threads() -> None:
    recorder = Recorder()
    with Server(recorder, threads=2, forwarded_allow_ips=US, forwarded_headers=X_ALL) as server:
        for number in range(4):
            with Client(server) as client:
                lines = [f"X-Forwarded-For: 192.0.2.{number}", "X-Forwarded-Proto: https", "X-Forwarded-Host: a"]
                client.ask(request("GET", "/", *lines, f"X-Forwarded-Prefix: /{number}"))
    assert [told(environ) for environ in recorder.environs] == [
        {
            "REMOTE_ADDR": f"192.0.2.{number}",
            "wsgi.url_scheme": "https",
            "HTTP_HOST": "a",
            "SERVER_NAME": "a",
            "SERVER_PORT": "443",
            "SCRIPT_NAME": f"/{number}",
            "PATH_INFO": "/",
        }
        for number in range(4)
    ]


# Trust.


@pytest.mark.parametrize("trust", ["*", "127.0.0.0/8", "::/0, 0.0.0.0/0", "::ffff:127.0.0.1", "10.0.0.1,127.0.0.1"])
def test_who_is_trusted(trust: str) -> None:
    assert believing("X-Forwarded-For: 192.0.2.1, 198.51.100.1", trust=trust)["REMOTE_ADDR"] in (
        ["192.0.2.1"] if "*" in trust or "0.0.0.0" in trust else ["198.51.100.1"]
    )


def test_peers_by_a_unix_socket_are_trusted_by_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for trust, address in (("unix", "192.0.2.1"), ("*", "192.0.2.1"), ("0.0.0.0/0, ::/0", "")):
        recorder = Recorder()
        with Server(recorder, bind=["unix:a.sock"], forwarded_allow_ips=trust) as server, Client(server) as client:
            client.ask(request("GET", "/", "X-Forwarded-For: 192.0.2.1"))
        assert recorder.environs[0]["REMOTE_ADDR"] == address


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
def test_a_socket_of_both_families_sees_ipv4_peers_as_ipv4() -> None:
    recorder = Recorder()
    with Server(recorder, host="::", forwarded_allow_ips=US) as server, Client((US, server.port)) as client:
        client.ask(request("GET", "/", "X-Forwarded-For: 192.0.2.1"))
    assert recorder.environs[0]["REMOTE_ADDR"] == "192.0.2.1"


# What others make of it.


@pytest.mark.parametrize(
    "lines",
    [
        ["X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https"],
        ["X-Forwarded-Host: a.example:8443", "X-Forwarded-Proto: https"],
        ["X-Forwarded-Prefix: /app", "X-Forwarded-Proto: http"],
        ["X-Forwarded-Host: evil, a:81", "X-Forwarded-Proto: evil, https", "X-Forwarded-For: evil, 192.0.2.1"],
        ["X-Forwarded-Port: 8443", "X-Forwarded-Proto: https"],
    ],
)
def test_the_same_as_by_werkzeugs_middleware(lines: list[str]) -> None:
    data = request("GET", "/path?q", *lines)
    ours = environ_of(data, forwarded_allow_ips=US, forwarded_headers=X_ALL)
    recorder = Recorder()
    assert ask(ProxyFix(recorder, x_for=1, x_proto=1, x_host=1, x_port=1, x_prefix=1), data).status == 200
    theirs = recorder.environs[0]
    assert told(ours) == told(theirs)
    assert request_uri(ours) == request_uri(theirs)


def test_flask_makes_the_urls_that_the_client_sees() -> None:
    app = flask.Flask(__name__)

    @app.get("/here")
    def here() -> dict[str, str | None]:
        return {"url": flask.url_for("here", _external=True), "address": flask.request.remote_addr}

    lines = ["X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: a.example"]
    data = request("GET", "/here", *lines, "X-Forwarded-Prefix: /app")
    response = ask(app, data, forwarded_allow_ips=US, forwarded_headers=X_ALL)
    assert json.loads(response.body) == {"url": "https://a.example/app/here", "address": "192.0.2.1"}


APP = """
def app(environ, start_response):
    start_response("200 OK", [])
    return [environ["REMOTE_ADDR"].encode()]
"""


def test_the_access_log_names_the_client(tmp_path: Path) -> None:
    (tmp_path / "site_app.py").write_text(APP)
    options = ["--port=0", "--forwarded-allow-ips", "10.0.0.0/8,127.0.0.1", "--access-log-format=json"]
    with Process("site_app:app", *options, cwd=tmp_path) as process:
        with Client(process.address) as client:
            client.ask(request("GET", "/", "X-Forwarded-For: 10.0.0.1, 192.0.2.1, 10.0.0.2"))
            client.ask(request("GET", "/", 'X-Forwarded-For: 192.0.2.1", "status":"200'))
        process.send(signal.SIGTERM)
        process.wait()
    assert [json.loads(line)["client"] for line in process.output] == ["192.0.2.1", US]


def test_variables_of_other_servers_trust_nobody(tmp_path: Path) -> None:
    (tmp_path / "site_app.py").write_text(APP)
    env = {"FORWARDED_ALLOW_IPS": "*"}
    with Process("site_app:app", "--port=0", cwd=tmp_path, env=env) as process, Client(process.address) as client:
        assert client.ask(request("GET", "/", "X-Forwarded-For: 192.0.2.1")).body == US.encode()
