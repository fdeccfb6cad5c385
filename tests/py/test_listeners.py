"""Every kind of listening socket with a real process, and what the application sees of each."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.client import Client, request
from support.process import Process, command, environment

from velocem import Server
from velocem.types import StartResponse, WSGIEnvironment

APP = """
import json, os, subprocess, sys

KEYS = ("SERVER_NAME", "SERVER_PORT", "REMOTE_ADDR", "REMOTE_PORT", "wsgi.url_scheme")

def app(environ, start_response):
    said = {key: environ.get(key) for key in KEYS}
    if environ["PATH_INFO"] == "/child":
        said = json.loads(subprocess.check_output([sys.executable, "-c", "import json, os;"
            "print(json.dumps([os.environ.get('LISTEN_FDS'), len(os.listdir('/proc/self/fd'))]))"], close_fds=False))
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(said).encode()]
"""

UNIX = {
    "SERVER_NAME": "localhost",
    "SERVER_PORT": "80",
    "REMOTE_ADDR": "",
    "REMOTE_PORT": "",
    "wsgi.url_scheme": "http",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "site_app.py").write_text(APP)
    return tmp_path


def ask(url: str, path: str = "/") -> object:
    with Client(url) as client:
        return json.loads(client.ask(request("GET", path)).body)


def test_many_places_of_every_kind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"@velocem-test-{os.getpid()}"
    places = ["-b", "127.0.0.1:0", "--bind", "unix:site.sock", "-b", f"unix:{name}", "-b", ":0"]
    with Process("site_app:app", *places, cwd=folder) as process:
        urls = process.urls
        assert urls[1:3] == ["unix:site.sock", f"unix:{name}"]
        assert ask(f"unix:{name}") == UNIX
        for url in [urls[0], *urls[3:]]:
            port = int(url.rpartition(":")[2])
            said = ask(f"http://127.0.0.1:{port}") if "[" not in url else ask(f"http://[::1]:{port}")
            assert isinstance(said, dict)
            assert said["SERVER_PORT"] == str(port)
        monkeypatch.chdir(folder)
        assert ask("unix:site.sock") == UNIX
        process.send(signal.SIGTERM)
        assert process.wait() == 0
    assert not (folder / "site.sock").exists()


def test_the_environment_names_several_places(folder: Path) -> None:
    env = {"VELOCEM_BIND": "127.0.0.1:0, unix:site.sock"}
    with Process("site_app:app", cwd=folder, env=env) as process:
        assert process.urls[1] == "unix:site.sock"


def test_a_unix_socket_by_uds_and_its_mode_and_its_log(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    with Process("site_app:app", "--uds", "site.sock", "--uds-mode", "600", cwd=folder) as process:
        assert (folder / "site.sock").stat().st_mode & 0o777 == 0o600
        assert ask("unix:site.sock") == UNIX
        process.send(signal.SIGTERM)
        process.wait()
    assert process.output[0].startswith("- - - [")
    assert '"GET / HTTP/1.1" 200 ' in process.output[0]


def test_a_second_server_leaves_the_first_one_its_socket(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    with Process("site_app:app", "--uds", "site.sock", cwd=folder):
        result = command("site_app:app", "--uds", "site.sock", cwd=folder)
        assert result.returncode == 3
        assert result.stderr == "velocem: error: cannot listen on unix:site.sock: the address is in use\n"
        assert ask("unix:site.sock") == UNIX


def test_a_socket_left_behind_by_a_crash_gives_way(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    with Process("site_app:app", "--uds", "site.sock", cwd=folder) as process:
        process.send(signal.SIGKILL)
        process.wait()
    assert (folder / "site.sock").is_socket()
    with Process("site_app:app", "--uds", "site.sock", cwd=folder):
        assert ask("unix:site.sock") == UNIX


def test_too_long_a_path_is_a_bad_option(folder: Path) -> None:
    result = command("site_app:app", "--uds", "a" * 108, cwd=folder)
    assert result.returncode == 2
    assert result.stderr.endswith("is longer than the 107 bytes that the system takes\n")


# A request on a Unix socket whose sender does not wait.


def test_a_peer_that_sends_and_leaves_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bodies: list[bytes] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        bodies.append(environ["wsgi.input"].read())
        start_response("204 No Content", [])
        return []

    with Server(app, bind=["unix:a.sock"]) as server:
        assert server.url == "unix:a.sock"
        for size in (0, 10, 100_000):
            with Client(server) as client:
                time.sleep(0.02)  # it is accepted: what comes is told by epoll, together with the end
                client.send(request("POST", "/", "Connection: close", body=b"x" * size))
            with Client(server) as client:
                client.ask(request())
    assert sorted(set(map(len, bodies))) == [0, 10, 100_000]


# Inherited sockets.

PARENT = """
import os, socket, sys

count, named = int(sys.argv[1]), sys.argv[2]
socks = [socket.create_server(("127.0.0.1", 0), backlog=64) for _ in range(count - 1)]
socks.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
socks[-1].bind("given.sock")
socks[-1].listen(64)
for place, sock in enumerate(socks):
    os.dup2(sock.fileno(), 50 + place, inheritable=False)
for place in range(count):
    os.dup2(50 + place, 3 + place, inheritable=True)
if named != "-":
    os.environ.update(LISTEN_FDS=str(count), LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES=named)
os.execv(sys.executable, [sys.executable, "-m", "velocem", *sys.argv[3:]])
"""


def activated(folder: Path, count: int, names: str, *arguments: str) -> Process:
    """The command, by a parent that opens sockets, passes them as systemd does, and becomes it."""
    starter = [sys.executable, "-c", PARENT, str(count), names]
    return Process("site_app:app", *arguments, cwd=folder, starter=starter)


def test_what_systemd_passes_is_listened_on_when_nothing_else_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    with activated(folder, 2, "web:local") as process:
        assert process.urls[1] == "unix:given.sock"
        said = ask(process.urls[0])
        assert isinstance(said, dict)
        assert said["SERVER_NAME"] == "127.0.0.1"
        assert ask("unix:given.sock") == UNIX
        # Neither the variables nor the sockets are handed on, even by a careless application.
        assert ask(process.urls[0], "/child") == [None, 4]
        process.send(signal.SIGTERM)
        assert process.wait() == 0
    assert (folder / "given.sock").is_socket(), "it is systemd's to remove"


def test_what_systemd_passes_is_left_alone_when_a_place_is_named(folder: Path) -> None:
    with activated(folder, 2, "web:local", "--port", "0") as process:
        assert len(process.urls) == 1
        assert "unix" not in process.urls[0]


@pytest.mark.parametrize("place", ["systemd:local", "fd://4"])
def test_one_of_the_descriptors(place: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    names = "web:local" if place.startswith("systemd") else "-"
    with activated(folder, 2, names, "--bind", place) as process:
        assert process.urls == ["unix:given.sock"]
        assert ask("unix:given.sock") == UNIX


def test_a_descriptor_by_number(folder: Path) -> None:
    with activated(folder, 2, "-", "--fd", "3") as process:
        assert isinstance(ask(process.urls[0]), dict)


def test_workers_listen_on_every_kind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    places = ["--bind=127.0.0.1:0", "--bind=unix:site.sock", "--bind=systemd", "--workers=2"]
    with activated(folder, 2, "web:local", *places) as process:
        assert process.urls[1] == "unix:site.sock"
        assert process.urls[3] == "unix:given.sock"
        for url in process.urls:
            for _ in range(4):
                assert isinstance(ask(url), dict)
        process.send(signal.SIGHUP)
        for url in process.urls * 10:
            assert isinstance(ask(url), dict)
        process.send(signal.SIGTERM)
        assert process.wait() == 0
    assert not (folder / "site.sock").exists()
    assert (folder / "given.sock").is_socket()


def test_a_descriptor_that_nobody_has_given(folder: Path) -> None:
    result = command("site_app:app", "--fd", "77", cwd=folder)
    assert result.returncode == 3
    assert result.stderr == "velocem: error: cannot listen on fd://77: Bad file descriptor\n"


def test_the_queue_of_an_inherited_socket_is_left_to_the_next(folder: Path) -> None:
    """A restart of the service loses no connection: systemd has the socket meanwhile."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        first = start_with(folder, sock)
        assert isinstance(ask(url), dict)
        first.send_signal(signal.SIGTERM)
        assert first.wait(30) == 0
        with Client(url) as client:
            client.send(request())
            second = start_with(folder, sock)
            assert client.read().status == 200
        second.send_signal(signal.SIGTERM)
        assert second.wait(30) == 0


def start_with(folder: Path, sock: socket.socket) -> "subprocess.Popen[bytes]":
    line = [
        sys.executable,
        "-m",
        "velocem",
        "site_app:app",
        "--fd",
        str(sock.fileno()),
        "--no-access-log",
    ]
    return subprocess.Popen(line, cwd=folder, env=environment(), pass_fds=[sock.fileno()], stderr=subprocess.DEVNULL)
