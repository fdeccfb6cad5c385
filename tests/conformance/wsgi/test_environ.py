"""environ, by PEP 3333 and RFC 3875."""

import os
import random
import socket
import sys
from typing import Any

import pytest
from support.client import Client, request
from support.wsgi import Recorder, Serve, ask, environ_of

REQUIRED = [
    "REQUEST_METHOD",
    "SCRIPT_NAME",
    "PATH_INFO",
    "QUERY_STRING",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_PROTOCOL",
    "SERVER_SOFTWARE",
    "REMOTE_ADDR",
    "REMOTE_PORT",
    "wsgi.version",
    "wsgi.url_scheme",
    "wsgi.input",
    "wsgi.errors",
    "wsgi.multithread",
    "wsgi.multiprocess",
    "wsgi.run_once",
    "wsgi.input_terminated",
    "wsgi.file_wrapper",
]


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def http_keys(environ: dict[str, Any]) -> dict[str, str]:
    return {key: value for key, value in environ.items() if key.startswith(("HTTP_", "CONTENT_"))}


# What it is made of.


def test_it_is_a_dict_itself() -> None:
    assert type(environ_of(request())) is dict


def test_everything_required_is_there_and_nothing_else() -> None:
    assert set(environ_of(request())) == {*REQUIRED, "HTTP_HOST"}


@pytest.mark.parametrize(
    "data",
    [
        request("GET", "/%ff%00?%ff", "Cookie: a", "Cookie: \xe9", "X-Odd: \xff", "Accept: */*", "Accept: a"),
        request("BREW", "/", "Content-Type: a/b", body=b"body"),
        b"GET http://other/%e9 HTTP/1.1\r\nHost: other\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
    ],
    ids=["odd bytes", "body", "absolute form", "chunked", "1.0"],
)
def test_cgi_values_are_exactly_str_of_latin_1(data: bytes) -> None:
    for key, value in environ_of(data).items():
        assert type(key) is str
        if "." not in key:
            assert type(value) is str, key
            value.encode("latin-1")


def test_wsgi_values(threads: int) -> None:
    environ = environ_of(request())
    assert environ["wsgi.version"] == (1, 0)
    assert type(environ["wsgi.version"]) is tuple
    assert environ["wsgi.url_scheme"] == "http"
    assert environ["wsgi.multithread"] is bool(threads)
    assert environ["wsgi.multiprocess"] is False
    assert environ["wsgi.run_once"] is False
    assert environ["wsgi.input_terminated"] is True
    assert callable(environ["wsgi.file_wrapper"])


def test_the_environment_of_the_process_is_not_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_SECRET_OF_PROCESS", "1")
    assert not (set(environ_of(request())) & set(os.environ)) - {"SERVER_SOFTWARE"}


# The request line.


@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW", "M-SEARCH"]
)
def test_method(method: str) -> None:
    assert environ_of(request(method))["REQUEST_METHOD"] == method


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/", "/"),
        ("/a%20b", "/a b"),
        ("/x/y%2Fz", "/x/y/z"),
        ("/%2f%2F", "///"),
        ("//evil/x", "//evil/x"),
        ("/%41%42%43", "/ABC"),
        ("/a+b", "/a+b"),
        ("/%2B", "/+"),
        ("/%25%32%30", "/%20"),
        ("/%2525", "/%25"),
        ("/%00", "/\x00"),
        ("/a%00b", "/a\x00b"),
        ("/%0d%0a", "/\r\n"),
        ("/%e2%82%ac", "/\xe2\x82\xac"),
        ("/%FF%80", "/\xff\x80"),
        ("/a/../b/./c", "/a/../b/./c"),
        ("/a;b=c", "/a;b=c"),
        ("/%3Fq", "/?q"),
        ("/%23", "/#"),
        ("/" + "a" * 600, "/" + "a" * 600),
        ("/" + "%c3%a9" * 600, "/" + "\xc3\xa9" * 600),
    ],
)
def test_the_path_is_decoded_once_to_latin_1(target: str, path: str) -> None:
    assert environ_of(request("GET", target))["PATH_INFO"] == path


@pytest.mark.parametrize("target", ["/%", "/%4", "/%zz", "/%4g", "/a%%41", "/%-1", "/%+1", "/% ".strip()])
def test_a_broken_escape_is_refused_or_kept_and_never_guessed(target: str) -> None:
    recorder = Recorder()
    response = ask(recorder, request("GET", target))
    if response.status == 400:
        assert not recorder.environs
    else:
        assert response.body.replace(b"A", b"%41") == target.encode()


@pytest.mark.parametrize(
    ("target", "query"),
    [
        ("/", ""),
        ("/?", ""),
        ("/?a=b", "a=b"),
        ("/?a=%20&b=+&c=%zz&d=%", "a=%20&b=+&c=%zz&d=%"),
        ("/?a?b", "a?b"),
        ("/??", "?"),
        ("/a%3Fb?c", "c"),
        ("/?%00%0a", "%00%0a"),
        ("/?" + "x" * 3000, "x" * 3000),
    ],
)
def test_the_query_is_raw(target: str, query: str) -> None:
    assert environ_of(request("GET", target))["QUERY_STRING"] == query


def test_path_and_values_survive_every_split(serve: Serve) -> None:
    recorder = Recorder()
    data = request("POST", "/a%20%c3%a9?q=%20", "Cookie: a=1", "X-One: 1", "Cookie: b=2", body=b"12")
    with Client(serve(recorder)) as client:
        for at in range(1, len(data)):
            client.send_split(data, [at], pause=0.0005)
            assert client.read().body == b"/a \xc3\xa9"
    for environ in recorder.environs:
        assert environ["QUERY_STRING"] == "q=%20"
        assert environ["HTTP_COOKIE"] == "a=1; b=2"
        assert environ["HTTP_X_ONE"] == "1"
        assert environ["CONTENT_LENGTH"] == "2"


@pytest.mark.parametrize(
    ("target", "path", "query", "host"),
    [
        ("http://other:81/p%20?q", "/p ", "q", "other:81"),
        ("http://other", "/", "", "other"),
        ("http://other?q", "/", "q", "other"),
        ("HTTP://other/", "/", "", "other"),
    ],
)
def test_absolute_form_gives_path_and_host(target: str, path: str, query: str, host: str) -> None:
    """RFC 9112 3.2.2: its authority stands for Host."""
    environ = environ_of(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert (environ["PATH_INFO"], environ["QUERY_STRING"], environ["HTTP_HOST"]) == (path, query, host)
    assert environ["wsgi.url_scheme"] == "http"


def test_asterisk_form() -> None:
    environ = environ_of(request("OPTIONS", "*"))
    assert environ["PATH_INFO"] == "*"
    assert environ["SCRIPT_NAME"] == ""


@pytest.mark.parametrize(("version", "protocol"), [("1.0", "HTTP/1.0"), ("1.1", "HTTP/1.1"), ("1.2", "HTTP/1.1")])
def test_protocol(version: str, protocol: str) -> None:
    """A higher minor version is answered as 1.1 (RFC 9110 2.5); either spelling in environ is right."""
    environ = environ_of(f"GET / HTTP/{version}\r\nHost: a\r\n\r\n".encode())
    assert environ["SERVER_PROTOCOL"] in {protocol, f"HTTP/{version}"}


def test_1_0_without_host_has_no_http_host() -> None:
    environ = environ_of(b"GET / HTTP/1.0\r\n\r\n")
    assert "HTTP_HOST" not in environ
    assert environ["SERVER_NAME"] == "127.0.0.1"


# Addresses.


def test_addresses_are_strings(serve: Serve) -> None:
    recorder = Recorder()
    server = serve(recorder)
    ports = []
    for _ in range(3):
        with Client(server) as client:
            ports.append(str(client.sock.getsockname()[1]))
            client.ask(request())
    assert [environ["REMOTE_PORT"] for environ in recorder.environs] == ports
    for environ in recorder.environs:
        assert environ["REMOTE_ADDR"] == "127.0.0.1"
        assert environ["SERVER_NAME"] == "127.0.0.1"
        assert environ["SERVER_PORT"] == str(server.port)


def test_two_peers_that_alternate_keep_their_own_address(serve: Serve) -> None:
    recorder = Recorder()
    server = serve(recorder)
    with Client(server) as one, Client(server) as two:
        for _ in range(3):
            one.ask(request())
            two.ask(request())
        ports = [str(client.sock.getsockname()[1]) for client in (one, two)]
    assert [environ["REMOTE_PORT"] for environ in recorder.environs] == ports * 3


@pytest.mark.parametrize("host", ["", "0.0.0.0"])
def test_the_wildcard_address_has_a_server_name(host: str) -> None:
    """PEP 3333: SERVER_NAME and SERVER_PORT are never empty."""
    recorder = Recorder()
    from velocem import Server

    with Server(recorder, host=host) as server, Client(("127.0.0.1", server.port)) as client:
        client.ask(request())
        assert recorder.environs[0]["SERVER_NAME"]
        assert recorder.environs[0]["SERVER_PORT"] == str(server.port)


# Fields.


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["Accept: a", "Accept: b"], {"HTTP_ACCEPT": "a,b"}),
        (["accept: a", "ACCEPT: b", "Accept: c"], {"HTTP_ACCEPT": "a,b,c"}),
        (["X-Forwarded-For: 1", "X-Forwarded-For: 2"], {"HTTP_X_FORWARDED_FOR": "1,2"}),
        (["X-Own: long one", "x-own: long two"], {"HTTP_X_OWN": "long one,long two"}),
        (["X-Own: a", "X-Own: a"], {"HTTP_X_OWN": "a,a"}),
        (["X-Own:", "X-Own:"], {"HTTP_X_OWN": ","}),
        (["X-Own: a", "X-Own:", "X-Own: a"], {"HTTP_X_OWN": "a,,a"}),
        (["Accept: a", "Accept: a"], {"HTTP_ACCEPT": "a,a"}),
        (["Cookie: a=1", "Cookie: b=2", "cookie: c=3"], {"HTTP_COOKIE": "a=1; b=2; c=3"}),
        (["Cookie: a", "Cookie: a"], {"HTTP_COOKIE": "a; a"}),
        (["X-A: 1", "X-B: 2", "X-A: 3"], {"HTTP_X_A": "1,3", "HTTP_X_B": "2"}),
    ],
)
def test_repeated_fields_are_joined(lines: list[str], expected: dict[str, str]) -> None:
    environ = http_keys(environ_of(request("GET", "/", *lines)))
    assert environ == {"HTTP_HOST": "test", **expected}


@pytest.mark.parametrize(
    "name", ["X_Auth_User", "X_A-B", "Content_Length", "Content_Type", "Transfer_Encoding", "Host_", "_", "Cookie_"]
)
def test_a_name_with_underscore_is_dropped(name: str) -> None:
    assert http_keys(environ_of(request("GET", "/", f"{name}: forged"))) == {"HTTP_HOST": "test"}


def test_an_underscore_name_does_not_touch_the_dashed_one() -> None:
    for lines in (["X-User: me", "X_User: forged"], ["X_User: forged", "X-User: me"]):
        assert environ_of(request("GET", "/", *lines))["HTTP_X_USER"] == "me"


@pytest.mark.parametrize("name", ["Proxy", "proxy", "PROXY"])
def test_proxy_is_dropped(name: str) -> None:
    """HTTP_PROXY is obeyed by clients inside the application (httpoxy)."""
    assert "HTTP_PROXY" not in environ_of(request("GET", "/", f"{name}: http://evil/"))


@pytest.mark.parametrize(
    "name",
    [
        "Script-Name",
        "Remote-Addr",
        "Remote-User",
        "Path-Info",
        "Server-Name",
        "Request-Method",
        "wsgi.input",
        "wsgi.url-scheme",
    ],
)
def test_no_field_sets_a_cgi_variable(name: str) -> None:
    environ = environ_of(request("GET", "/", f"{name}: forged"))
    assert [key for key, value in environ.items() if value == "forged"] == ["HTTP_" + name.upper().replace("-", "_")]


def test_content_type_and_length_are_not_there_twice() -> None:
    environ = environ_of(request("POST", "/", "Content-Type: text/plain; charset=utf-8", body=b"12345"))
    assert http_keys(environ) == {
        "HTTP_HOST": "test",
        "CONTENT_TYPE": "text/plain; charset=utf-8",
        "CONTENT_LENGTH": "5",
    }


def test_empty_content_type() -> None:
    assert environ_of(request("POST", "/", "Content-Type:", body=b"1"))["CONTENT_TYPE"] == ""


def test_length_zero_is_told() -> None:
    assert environ_of(request("POST", "/", "Content-Length: 0"))["CONTENT_LENGTH"] == "0"


def test_equal_lengths_are_refused_or_one() -> None:
    """RFC 9110 8.6."""
    recorder = Recorder()
    response = ask(recorder, request("POST", "/", "Content-Length: 1", body=b"1"))
    assert response.status == 400 or recorder.environs[0]["CONTENT_LENGTH"] == "1"


@pytest.mark.parametrize("value", ["\xe9t\xe9", "\x80\xff", "a\tb", "\xa0x\xa0", "x" * 600, "\xff" * 600, 'q="\\""'])
@pytest.mark.parametrize("name", ["User-Agent", "X-Own"])
def test_values_are_latin_1_of_their_bytes(name: str, value: str) -> None:
    environ = environ_of(request("GET", "/", f"{name}: {value}"))
    assert environ["HTTP_" + name.upper().replace("-", "_")] == value


@pytest.mark.parametrize("space", [" ", "\t", " \t ", ""])
def test_only_white_space_around_a_value_goes(space: str) -> None:
    assert environ_of(request("GET", "/", f"X-Own:{space}a  b{space}"))["HTTP_X_OWN"] == "a  b"


def test_names_may_have_any_token_character() -> None:
    name = "x!#$%&'*+.^`|~9"
    assert environ_of(request("GET", "/", f"{name}: 1"))["HTTP_" + name.upper()] == "1"


def test_a_long_name() -> None:
    name = "x" * 200
    assert environ_of(request("GET", "/", f"{name}: 1", f"{name}: 2"))["HTTP_" + name.upper()] == "1,2"


def test_many_fields() -> None:
    lines = [f"X-Field-{i}: {i}" for i in range(99)]
    environ = http_keys(environ_of(request("GET", "/", *lines)))
    assert environ == {"HTTP_HOST": "test"} | {f"HTTP_X_FIELD_{i}": str(i) for i in range(99)}


def test_many_repeats() -> None:
    lines = [f"X-Own: {i}" for i in range(99)]
    assert environ_of(request("GET", "/", *lines))["HTTP_X_OWN"] == ",".join(map(str, range(99)))


def test_chunked_gets_the_length_of_what_came() -> None:
    """The body is received and decoded: RFC 3875 4.1.2 asks for its length, and there is no coding left."""
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    data = head + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-Late: 1\r\nCookie: a\r\n\r\n"
    environ = environ_of(data)
    assert http_keys(environ) == {"HTTP_HOST": "a", "CONTENT_LENGTH": "5"}
    assert environ["wsgi.input"].read() == b"abcde"


def test_an_empty_chunked_body_has_length_zero() -> None:
    environ = environ_of(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    assert http_keys(environ) == {"HTTP_HOST": "a", "CONTENT_LENGTH": "0"}


# Nothing stays from one request to the next.


def test_each_request_has_an_environ_of_its_own(serve: Serve) -> None:
    seen: list[dict[str, Any]] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(dict(environ))
        for key in list(environ):
            environ[key] = "changed"
        environ["added"] = "1"
        del environ["PATH_INFO"]
        start_response("200 OK", [])
        return [b"x"]

    with Client(serve(app)) as client:
        for _ in range(3):
            assert client.ask(request("GET", "/p", "X-A: 1", "Accept: 2", "Cookie: c=1")).status == 200
    assert seen[0] == seen[1] == seen[2]
    assert "changed" not in seen[2].values()
    assert "added" not in seen[2]


def test_what_one_request_says_the_next_does_not_have(serve: Serve) -> None:
    recorder = Recorder()
    with Client(serve(recorder)) as client:
        client.ask(
            request("POST", "/a?b", "Cookie: a", "Authorization: b", "X-Own: c", "Content-Type: d", body=b"body")
        )
        client.ask(request())
    environ = recorder.environs[1]
    assert set(environ) == {*REQUIRED, "HTTP_HOST"}
    assert (environ["PATH_INFO"], environ["QUERY_STRING"], environ["REQUEST_METHOD"]) == ("/", "", "GET")
    assert environ["wsgi.input"].read() == b""


KNOWN = [
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Authorization",
    "Cache-Control",
    "Connection",
    "Content-Type",
    "Cookie",
    "If-None-Match",
    "Origin",
    "Referer",
    "User-Agent",
    "X-Forwarded-For",
    "X-Request-Id",
    "X-CSRFToken",
    "Proxy-Authorization",
    "Set-Cookie",
    "X-Own",
    "X-Other-Own",
]
VALUES = ["keep-alive", "a", "b", "ab", "", "\xe9", "x" * 511, "x" * 512, "x" * 513, "y" * 512]


def test_values_that_alternate_are_never_mixed_up(serve: Serve) -> None:
    """The last values are kept for the next request: the same, another, the same again, none."""
    rng = random.Random(3333)
    recorder = Recorder()
    asked: list[dict[str, str]] = []
    with Client(serve(recorder)) as client:
        for _ in range(300):
            fields = {name: rng.choice(VALUES) for name in rng.sample(KNOWN, rng.randrange(1, 8))}
            path = rng.choice(["/", "/a", "/b", "/%61", "/" + "c" * 520])
            asked.append(fields)
            response = client.ask(request("GET", path, *(f"{name}: {value}" for name, value in fields.items())))
            assert response.body.decode() == path.replace("%61", "a")
    for environ, fields in zip(recorder.environs, asked, strict=True):
        expected = {"HTTP_" + name.upper().replace("-", "_"): value for name, value in fields.items()}
        if "HTTP_CONTENT_TYPE" in expected:
            expected["CONTENT_TYPE"] = expected.pop("HTTP_CONTENT_TYPE")
        assert http_keys(environ) == {"HTTP_HOST": "test", **expected}


def test_more_names_than_any_cache_holds(serve: Serve) -> None:
    recorder = Recorder()
    names = [f"X-{i}-{'abc'[i % 3] * (i % 50)}" for i in range(2000)]
    with Client(serve(recorder)) as client:
        for start in range(0, len(names), 50):
            client.ask(request("GET", "/", *(f"{name}: {name}" for name in names[start : start + 50])))
    for i, environ in enumerate(recorder.environs):
        expected = {"HTTP_" + name.upper().replace("-", "_"): name for name in names[50 * i : 50 * i + 50]}
        assert http_keys(environ) == {"HTTP_HOST": "test", **expected}


@pytest.mark.parametrize("name", ["Cookie", "Authorization", "Proxy-Authorization", "X-CSRFToken"])
def test_a_secret_is_not_kept(serve: Serve, name: str) -> None:
    """Nobody but the request holds it: the object is new each time, though the bytes are the same."""
    values: list[Any] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        key = "HTTP_" + name.upper().replace("-", "_")
        value = environ.pop(key)
        values.append(sys.getrefcount(value))
        start_response("200 OK", [])
        return [b""]

    with Client(serve(app)) as client:
        for _ in range(3):
            client.ask(request("GET", "/", f"{name}: a long secret"))
    assert values == [2, 2, 2]


# wsgi.errors.


def test_errors_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        errors = environ["wsgi.errors"]
        errors.write("one\n")
        errors.writelines(["two\n", "thr\xe9e \u20ac\n"])
        print("four", file=errors)
        errors.flush()
        start_response("200 OK", [])
        return [b""]

    assert ask(app).status == 200
    assert capsys.readouterr().err == "one\ntwo\nthr\xe9e \u20ac\nfour\n"


@pytest.mark.parametrize("wrong", [b"bytes", None, 3])
def test_errors_take_str_only(wrong: Any, caplog: pytest.LogCaptureFixture) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        with pytest.raises(TypeError):
            environ["wsgi.errors"].write(wrong)
        with pytest.raises(TypeError):
            environ["wsgi.errors"].writelines(["", wrong])
        return [b"refused"]

    assert ask(app).body == b"refused"


def test_errors_without_stderr_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        environ["wsgi.errors"].write("nobody reads it")
        environ["wsgi.errors"].flush()
        start_response("200 OK", [])
        return [b"fine"]

    monkeypatch.setattr(sys, "stderr", None)
    assert ask(app).body == b"fine"


# What is kept from one request to the next: nobody sees another's.

HOSTS = ["a", "b", "", "a:80", "h" * 512, "i" * 512, "h" * 513, "i" * 513, None]


def with_host(host: str | None, target: str = "/") -> bytes:
    if host is None:
        return f"GET {target} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".encode()
    return f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


def test_hosts_that_alternate_are_never_mixed_up(serve: Serve) -> None:
    rng = random.Random(7230)
    recorder = Recorder()
    asked: list[str | None] = []
    server = serve(recorder)
    with Client(server) as one, Client(server) as two:
        for _ in range(300):
            host = rng.choice(HOSTS)
            absolute = host and rng.random() < 0.3  # RFC 9112 3.2.2: the target's authority stands for Host
            data = f"GET http://{host}/ HTTP/1.1\r\nHost: other\r\n\r\n".encode() if absolute else with_host(host)
            # Many fields copy another template than few.
            data = data[:-2] + b"Accept: */*\r\nX-A: 1\r\nX-B: 2\r\n" * rng.randrange(2) + b"\r\n"
            asked.append(host)
            assert rng.choice([one, two]).ask(data).status == 200
    assert [environ.get("HTTP_HOST") for environ in recorder.environs] == asked


def test_a_host_of_the_target_reaches_1_0_without_a_field(serve: Serve) -> None:
    recorder = Recorder()
    with Client(serve(recorder)) as client:
        for target in ("http://one/", "/", "http://two/", "/"):
            client.ask(with_host(None, target))
    assert [environ.get("HTTP_HOST") for environ in recorder.environs] == ["one", None, "two", None]


def test_what_an_application_writes_into_environ_stays_there(serve: Serve) -> None:
    seen: list[dict[str, Any]] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append({key: value for key, value in environ.items() if key != "REMOTE_PORT"})
        environ["HTTP_HOST"] += " forged"
        environ["wsgi.url_scheme"] = environ["REMOTE_ADDR"] = environ["app.own"] = "forged"
        del environ["SERVER_NAME"]
        start_response("200 OK", [])
        return [b""]

    with Client(serve(app)) as client:
        for _ in range(3):
            client.ask(request())
    assert seen[0] == seen[1] == seen[2]


def peer_of(server: Any, source: str, to: str) -> str:
    """Asks from that address, and gives it back."""
    family = socket.AF_INET6 if ":" in to else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.bind((source, 0))
        sock.settimeout(10)
        sock.connect((to, server.port))
        sock.sendall(request("GET", "/", f"X-From: {source}", "Connection: close"))
        while sock.recv(65536):
            pass
    return source


def test_addresses_that_alternate_are_never_mixed_up(serve: Serve) -> None:
    recorder = Recorder()
    server = serve(recorder)
    asked = [
        peer_of(server, source, "127.0.0.1") for source in ["127.0.0.1", "127.0.0.2", "127.0.0.2", "127.0.0.3"] * 5
    ]
    assert [environ["REMOTE_ADDR"] for environ in recorder.environs] == asked


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
@pytest.mark.parametrize("host", ["", "::", "localhost"])
def test_listeners_and_families_are_never_mixed_up(serve: Serve, host: str) -> None:
    """An IPv4 peer of an IPv6 socket is told as IPv4."""
    recorder = Recorder()
    server = serve(recorder, host=host)
    routes = [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("127.0.0.2", "127.0.0.1"), ("::1", "::1")]
    try:
        asked = [peer_of(server, source, to) for source, to in routes * 5]
    except ConnectionRefusedError:
        pytest.skip(f"{host} is not both families here")
    assert [environ["REMOTE_ADDR"] for environ in recorder.environs] == asked
    names = {environ["REMOTE_ADDR"]: environ["SERVER_NAME"] for environ in recorder.environs}
    if host != "::":
        assert names["::1"] != names["127.0.0.1"]
    assert {environ["HTTP_HOST"] for environ in recorder.environs} == {"test"}


def test_ports_that_share_a_slot_are_never_mixed_up(serve: Serve) -> None:
    """Ports of peers are kept by their last eight bits."""
    recorder = Recorder()
    server = serve(recorder)
    clients = []
    for port in (20_000, 20_256, 20_512):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            sock.close()
            continue
        sock.connect(("127.0.0.1", server.port))
        clients.append(sock)
    for sock in clients * 4:
        sock.sendall(request())
        assert sock.recv(65536).startswith(b"HTTP/1.1 200")
    ports = [str(sock.getsockname()[1]) for sock in clients]
    for sock in clients:
        sock.close()
    assert [environ["REMOTE_PORT"] for environ in recorder.environs] == ports * 4
