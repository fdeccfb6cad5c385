"""The units of deploy/systemd: what systemd says of them, and an instance that is started as they say."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
from support.client import Client, request
from support.faults import workers_of
from support.fronts import DATA, DEPLOY, fill_in, program, wait_until
from support.process import Process

UNITS = DEPLOY / "systemd"

# As systemd does: it opens the socket, passes it, and becomes the command.
PARENT = """
import os, socket, sys
sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
sock.bind(sys.argv[1])
sock.listen(64)
os.dup2(sock.fileno(), 50, inheritable=False)
os.dup2(50, 3, inheritable=True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES="velocem@one.socket")
os.execv(sys.argv[2], sys.argv[2:])
"""


def unit(name: str) -> ConfigParser:
    parser = ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string((UNITS / name).read_text())
    return parser


def test_systemd_understands_them(tmp_path: Path) -> None:
    analyze = program("systemd-analyze")
    for name in ("velocem@.socket", "velocem@.service"):
        text = fill_in((UNITS / name).read_text(), {"%i": "%i"})
        text = text.replace("/srv/app/venv/bin/velocem", "/bin/true").replace("/srv/app", "/")
        (tmp_path / name.replace("@", "@one")).write_text(text)
    paths = [str(path) for path in tmp_path.iterdir()]
    environment = {**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:/lib/systemd/system:/etc/systemd/system"}
    told = subprocess.run([analyze, "verify", *paths], capture_output=True, text=True, check=False, env=environment)
    about_ours = [line for line in told.stderr.splitlines() if "velocem@" in line]
    assert about_ours == []


def test_service_and_socket_belong_together() -> None:
    service, sock = unit("velocem@.service"), unit("velocem@.socket")
    assert service["Unit"]["Requires"] == "velocem@%i.socket"
    assert sock["Socket"]["ListenStream"] == "/run/velocem/%i.sock"
    for front in ("http.conf", "uwsgi.conf"):
        text = (DEPLOY / "nginx" / front).read_text()
        assert set(re.findall(r"server unix:(\S+)", text)) == {f"/run/velocem/{name}.sock" for name in ("one", "two")}
    # systemd waits longer than Velocem does.
    assert float(service["Service"]["TimeoutStopSec"]) > 30


@pytest.mark.parametrize("front", ["http", "uwsgi"])
def test_instance_serves_reloads_and_ends_as_the_unit_says(front: str, tmp_path: Path) -> None:
    service = unit("velocem@.service")["Service"]
    command = shlex.split(service["ExecStart"])
    assert command[:2] == ["/srv/app/venv/bin/velocem", "app:app"]
    options = ["uwsgi+systemd" if word == "systemd" and front == "uwsgi" else word for word in command[2:]]
    assert front == "http" or "uwsgi+systemd" in options
    given = ["fronted:app", *options, "--app-dir", str(DATA)]
    notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notices.bind(f"{tmp_path}/notify")
    notices.settimeout(30)
    starter = [sys.executable, "-c", PARENT, f"{tmp_path}/one.sock", sys.executable, "-m", "velocem"]
    with (
        notices,
        Process(*given, cwd=tmp_path, env={"NOTIFY_SOCKET": f"{tmp_path}/notify"}, starter=starter) as process,
    ):
        assert b"READY=1" in notices.recv(1000)
        workers = workers_of(process)
        assert len(workers) == int(options[options.index("--workers") + 1])
        if front == "http":
            with Client(process.urls[0]) as client:
                lines = ["X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https"]
                told = json.loads(client.ask(request("GET", "/environ", *lines)).body)
            assert (told["REMOTE_ADDR"], told["wsgi.url_scheme"]) == ("192.0.2.7", "https")
        assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"
        process.send(signal.SIGHUP)
        wait_until(lambda: not workers & workers_of(process) and len(workers_of(process)) == len(workers))
        process.send(signal.SIGTERM)
        assert process.wait() == 0
