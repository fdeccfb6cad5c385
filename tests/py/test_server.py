"""Server in a thread: addresses, life, errors; the listening sockets below it."""

import socket
import threading
import time
import urllib.request
from collections.abc import Iterable
from typing import Any

import pytest
from conftest import Serve
from support.client import Client, request

import velocem
from velocem import Server, sockets
from velocem.exceptions import ConfigError, StartError
from velocem.types import StartResponse, WSGIEnvironment


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{environ['SERVER_NAME']} {environ['SERVER_PORT']} {environ['PATH_INFO']}".encode()]


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as response:
        return str(response.read().decode())


def can_listen(family: int, host: str) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.bind((host, 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not can_listen(socket.AF_INET6, "::1"), reason="this machine has no ::1")


def test_the_url_can_be_fetched() -> None:
    with Server(app) as server:
        assert server.url == f"http://127.0.0.1:{server.port}"
        assert server.urls == [server.url]
        assert fetch(f"{server.url}/a") == f"127.0.0.1 {server.port} /a"


def test_a_port_is_picked_and_one_can_be_asked_for() -> None:
    with Server(app) as first:
        port = first.port
        assert port > 0
    with Server(app, port=port) as second:
        assert second.port == port


def test_several_at_a_time(serve: Serve) -> None:
    servers = [serve(app) for _ in range(3)]
    assert len({server.port for server in servers}) == 3
    for server in servers:
        assert fetch(server.url).split()[1] == str(server.port)


@needs_ipv6
def test_ipv6_has_brackets_in_url_and_server_name() -> None:
    with Server(app, host="::1") as server:
        assert server.url == f"http://[::1]:{server.port}"
        assert fetch(server.url) == f"[::1] {server.port} /"


@needs_ipv6
def test_the_ipv6_wildcard_takes_ipv4_too() -> None:
    with Server(app, host="::") as server, Client(("127.0.0.1", server.port)) as client:
        assert client.ask(request()).status == 200


def test_a_host_name() -> None:
    with Server(app, host="localhost") as server:
        assert fetch(f"http://localhost:{server.port}/").endswith(" /")


def test_an_address_in_use_raises_at_the_with_statement() -> None:
    with Server(app) as server:
        with pytest.raises(StartError, match=rf"^cannot listen on 127.0.0.1:{server.port}: the address is in use$"):
            Server(app, port=server.port).start()
        assert fetch(server.url)


def test_an_address_of_another_machine() -> None:
    with pytest.raises(StartError, match=r"^cannot listen on 192.0.2.1:0: this machine has no such address$"):
        Server(app, host="192.0.2.1").start()


def test_a_host_that_does_not_resolve() -> None:
    with pytest.raises(StartError, match=r"^cannot listen on no-such-host.invalid:0: "):
        Server(app, host="no-such-host.invalid").start()
    with pytest.raises(StartError, match=r"^cannot listen on a\.\.b:0: not a host name$"):
        Server(app, host="a..b").start()


def test_a_port_that_needs_a_privilege(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(sockets, "open_address", lambda *_, **__: refuse())
    with pytest.raises(StartError, match=r"^cannot listen on 127.0.0.1:80: permission denied \(a port below 1024"):
        Server(app, port=80).start()


def test_what_is_not_an_application() -> None:
    with pytest.raises(StartError, match="'int' is not callable"):
        Server(3).start()  # type: ignore[arg-type]

    class Old:
        def __init__(self, scope: object) -> None: ...
        async def __call__(self, receive: object, send: object) -> None: ...

    with pytest.raises(StartError, match="'Old' is an application of ASGI 2"):
        Server(Old).start()  # type: ignore[arg-type]


def test_options_are_checked_at_once() -> None:
    with pytest.raises(ConfigError, match="prot: no such option"):
        Server(app, prot=1)  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match="workers: a Server is one process"):
        Server(app, workers=2)
    with pytest.raises(ConfigError, match="factory: needs an import string"):
        Server(app, factory=True).start()


def test_the_environment_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VELOCEM_HOST", "no-such-host.invalid")
    with Server(app) as server:
        assert server.host == "127.0.0.1"


def test_an_import_string(tmp_path: Any) -> None:
    (tmp_path / "imported_by_server.py").write_text("def make(n):\n    return lambda environ, start_response: []\n")
    Server("imported_by_server:make(3)", app_dir=str(tmp_path)).start()


def test_a_server_starts_once_and_stops_any_number_of_times() -> None:
    server = Server(app)
    with pytest.raises(RuntimeError, match="has not been started"):
        server.stop()
    with pytest.raises(RuntimeError, match="is not running"):
        _ = server.url
    with server, pytest.raises(RuntimeError, match="starts once"):
        server.start()
    server.stop()
    with pytest.raises(RuntimeError, match="is not running"):
        _ = server.port


def test_after_the_end_nothing_listens_and_no_thread_is_left() -> None:
    before = threading.active_count()
    with Server(app) as server:
        port = server.port
        assert fetch(server.url)
    assert threading.active_count() == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_a_running_request_finishes_when_the_block_ends() -> None:
    entered = threading.Event()

    def slow(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        entered.set()
        time.sleep(0.3)
        start_response("200 OK", [("Content-Length", "4")])
        return [b"done"]

    with Server(slow) as server:
        client = Client(server)
        client.send(request())
        assert entered.wait(10)
    with client:
        assert client.read().body == b"done"


def test_a_connection_that_the_kernel_made_before_the_stop_is_served() -> None:
    entered = threading.Event()

    def slow(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/slow":
            entered.set()
            time.sleep(0.3)
        start_response("200 OK", [("Content-Length", "4")])
        return [b"done"]

    with Server(slow) as server:
        first = Client(server)
        first.ask(request())
        first.send(request("GET", "/slow"))
        assert entered.wait(10)
        second = Client(server)  # in the queue, since the application holds the only thread
        second.send(request())
        port = server.port
    with first, second:
        assert first.read().body == b"done"
        assert second.read().body == b"done"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_an_exception_in_the_block_is_the_one_that_is_seen() -> None:
    with pytest.raises(ZeroDivisionError), Server(app):
        _ = 1 / 0


def test_counters_can_be_read() -> None:
    with Server(app) as server:
        fetch(server.url)
        fetch(server.url)
        assert server.stats()["requests"] == 2


def test_run_exits_with_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        velocem.run(app, port=-1)
    assert caught.value.code == 2
    assert capfd.readouterr().err == "velocem: error: port: -1 is not a whole number from 0 to 65535\n"
    with pytest.raises(SystemExit) as caught:
        velocem.run(app, host="192.0.2.1", log_level="critical")
    assert caught.value.code == 3
    assert (
        capfd.readouterr().err == "velocem: error: cannot listen on 192.0.2.1:8000: this machine has no such address\n"
    )
