"""--user, --group and --umask: the supervisor keeps what it needs, workers have what they are given."""

import os
import signal
from pathlib import Path

import pytest
from support.client import Client, request
from support.faults import wait_until, workers_of
from support.process import Process, command

from velocem import privileges
from velocem.exceptions import StartError

APP = """
import os

def app(environ, start_response):
    if environ["PATH_INFO"] == "/write":
        open("written", "w").close()
    if environ["PATH_INFO"] == "/root":
        try:
            os.setuid(0)
        except PermissionError:
            pass
    body = f"{os.getuid()} {os.getgid()} {sorted(os.getgroups())}".encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One that others can read and write."""
    (tmp_path / "privileged.py").write_text(APP)
    for path in (tmp_path, *tmp_path.parents):
        if path.owner() == "root" and str(path).startswith("/tmp/"):
            path.chmod(0o777)
    return tmp_path


def ask(process: Process, target: str = "/") -> str:
    with Client(process.address) as client:
        return client.ask(request("GET", target, "Connection: close")).body.decode()


@needs_root
def test_workers_are_somebody_else_and_cannot_go_back(folder: Path) -> None:
    nobody = privileges.find("nobody", "")
    assert nobody.uid
    logs = ["--access-log", "--access-logfile", f"{folder}/access", "--log-file", "-"]
    with Process("privileged:app", "--port", "0", "--user", "nobody", *logs, cwd=folder) as process:
        assert ask(process) == f"{nobody.uid} {nobody.gid} [{nobody.gid}]"
        assert ask(process, "/root").startswith(f"{nobody.uid} ")
        assert Path(f"/proc/{process.popen.pid}").owner() == "root"
        (folder / "access").rename(folder / "access.1")
        process.send(signal.SIGUSR1)
        wait_until((folder / "access").exists, 10)
        before = workers_of(process)
        process.send(signal.SIGHUP)
        wait_until(lambda: len(workers_of(process)) == 1 and not before & workers_of(process))
        ask(process)
        wait_until(lambda: (folder / "access").read_text().count("GET") >= 1, 10)
        process.send(signal.SIGTERM)
        assert process.wait() == 0


@needs_root
def test_workers_of_another_user_end_with_their_supervisor(folder: Path) -> None:
    with Process("privileged:app", "--port", "0", "--user", "nobody", cwd=folder) as process:
        (worker,) = workers_of(process)
        process.send(signal.SIGKILL)
        wait_until(lambda: not Path(f"/proc/{worker}").exists(), 20)


@needs_root
def test_group_and_umask(folder: Path) -> None:
    options = ["--group", "65534", "--umask", "027"]
    with Process("privileged:app", "--port", "0", *options, cwd=folder) as process:
        assert ask(process, "/write").split()[:2] == ["0", "65534"]
        assert (folder / "written").stat().st_mode & 0o777 == 0o640


def test_names_that_do_not_exist_are_told(folder: Path) -> None:
    for options, error in {
        ("--user", "no-such-user"): "there is no user 'no-such-user'",
        ("--group", "no-such-group"): "there is no group 'no-such-group'",
    }.items():
        done = command("privileged:app", "--port", "0", *options, cwd=folder)
        assert done.returncode == 3
        assert error in done.stderr
    done = command("privileged:app", "--umask", "8", cwd=folder)
    assert done.returncode == 2


def test_users_are_found_by_name_and_number() -> None:
    root = privileges.find("root", "")
    assert (root.uid, root.gid, root.name) == (0, 0, "root")
    assert privileges.find("0", "") == root
    assert privileges.find("", "0")[:2] == (None, 0)
    assert privileges.find("123456", "")[:2] == (123456, None)
    with pytest.raises(StartError):
        privileges.find(str(1 << 40), "")
