"""nginx and HAProxy as Debian has them, with the files of deploy/ and two instances of Velocem behind them."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import pytest

from support.process import Process

ROOT = Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy"
DATA = ROOT / "tests" / "data"
START_SECONDS = 20


def program(name: str) -> str:
    """Its path. A machine that cannot have it, since it is no Debian or we are not root, leaves these tests out."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed: apt-get install {name}")
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def fill_in(text: str, places: Mapping[str, str]) -> str:
    """A file of deploy/ for this machine: each of these words must be there, and nothing else is changed."""
    for word, value in places.items():
        assert word in text, f"{word!r} does not stand there"
        text = text.replace(word, value)
    return text


class Front:
    """A program in front, which listens when the with block begins."""

    def __init__(self, command: list[str], port: int, folder: Path) -> None:
        self.port = port
        self.log = (folder / "front.log").open("wb")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def said(self) -> str:
        return Path(self.log.name).read_text(errors="replace")

    def __enter__(self) -> Self:
        end = time.monotonic() + START_SECONDS
        while not self.listens():
            if self.process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise AssertionError(f"it did not start: {self.said()}")
            time.sleep(0.02)
        return self

    def listens(self) -> bool:
        try:
            socket.create_connection(self.address, timeout=1).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()


# What Debian's nginx.conf has around conf.d, in a folder of one's own. Root stays root, so that it reaches the sockets.
NGINX = """
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 512; }}
http {{
    access_log off;
    include /etc/nginx/mime.types;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


def nginx(text: str, folder: Path, port: int) -> Front:
    """With this as its file in conf.d."""
    found = program("nginx")
    (folder / "site.conf").write_text(text)
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, user=user))
    return Front([found, "-p", str(folder), "-c", str(folder / "nginx.conf")], port, folder)


def haproxy(text: str, folder: Path, port: int) -> Front:
    found = program("haproxy")
    (folder / "haproxy.cfg").write_text(text)
    checked = subprocess.run([found, "-c", "-f", folder / "haproxy.cfg"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    return Front([found, "-db", "-f", str(folder / "haproxy.cfg")], port, folder)


class Instances:
    """Two of the same application, each of which can be replaced while the other serves."""

    def __init__(self, app: str, options: Iterable[Iterable[str]], folder: Path) -> None:
        """options: what is different, its place above all, for one and the other."""
        self.app = app
        self.options = [list(one) for one in options]
        self.folder = folder
        self.stack = ExitStack()
        self.running: list[Process] = []

    def begin(self, number: int) -> Process:
        process = Process(self.app, "--app-dir", str(DATA), "--no-access-log", *self.options[number], cwd=self.folder)
        return self.stack.enter_context(process)

    def __enter__(self) -> Self:
        self.running = [self.begin(number) for number in range(len(self.options))]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stack.close()

    def replace(self, number: int) -> None:
        """Ends as systemd would have it, then begins anew."""
        old = self.running[number]
        old.send(signal.SIGTERM)
        assert old.wait() == 0, old.errors
        self.running[number] = self.begin(number)

    def reload(self) -> None:
        for process in self.running:
            process.send(signal.SIGHUP)

    def said(self) -> str:
        return "".join(line for process in self.running for line in process.errors)


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def fetch(port: int, target: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    """One request on a connection of its own; what breaks off is an http.client exception."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(
            "POST" if body is not None else "GET", target, body=body, headers={"Host": "example.org", **fields}
        )
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


class Site(NamedTuple):
    """nginx with a file of deploy/nginx, and what is behind it."""

    front: Front
    instances: Instances
    kind: str  # "http", "uwsgi", or "tcp": uwsgi by ports
    app: str  # "app" (WSGI) or "asgi"


def make_site(stack: ExitStack, folder: Path, kind: str, app: str) -> Site:
    """kind: the file of deploy/nginx, by Unix sockets; "tcp" is uwsgi by ports."""
    port, names = free_port(), ("one", "two")
    (folder / "static").mkdir()
    (folder / "static" / "page.css").write_text("body {}")
    places = {"listen 80;": f"listen 127.0.0.1:{port};", "/srv/app/static/": f"{folder}/static/"}
    if kind == "tcp":
        ports = {name: free_port() for name in names}
        places |= {f"unix:/run/velocem/{name}.sock": f"127.0.0.1:{ports[name]}" for name in names}
        binds = [f"uwsgi://127.0.0.1:{ports[name]}" for name in names]
    else:
        places["/run/velocem/"] = f"{folder}/"
        binds = [f"{'uwsgi+' if kind == 'uwsgi' else ''}unix:{folder}/{name}.sock" for name in names]
    name = "http.conf" if kind == "http" else "uwsgi.conf"
    text = fill_in((DEPLOY / "nginx" / name).read_text(), places)
    front = stack.enter_context(nginx(text, folder, port))
    trust = ["--forwarded-allow-ips", "unix"] if kind == "http" else []
    options = [["--bind", bind, "--workers", "2", *trust] for bind in binds]
    return Site(front, stack.enter_context(Instances(f"fronted:{app}", options, folder)), kind, app)
