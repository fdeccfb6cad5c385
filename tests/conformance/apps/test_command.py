"""The velocem command with a Flask and a Django application, from its start-up line to its end by a signal."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple, cast

import httpx
import pytest
from support.process import Process, environment

DATA = Path(__file__).resolve().parents[2] / "data"


class Application(NamedTuple):
    """What the command is given, and a page to ask for."""

    name: str
    folder: Path
    page: str
    text: str


APPS = [
    Application("flaskr:create_app()", DATA, "/auth/login", "<h1>Log in</h1>"),
    Application("mysite.wsgi:application", DATA / "djangosite", "/admin/login/", "Django administration"),
]


@pytest.fixture(params=APPS, ids=["flask", "django"])
def application(request: pytest.FixtureRequest) -> Application:
    return cast("Application", request.param)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the command runs, and where Django has its migrated database."""
    env = {"PYTHONPATH": os.pathsep.join([str(DATA / "djangosite"), os.environ.get("PYTHONPATH", "")])}
    line = [sys.executable, "-m", "django", "migrate", "--settings", "mysite.settings", "--verbosity", "0"]
    subprocess.run(line, env=environment(env | {"MYSITE_DATA": str(tmp_path)}), cwd=tmp_path, check=True, timeout=60)
    return tmp_path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_served_until_a_signal(application: Application, folder: Path, number: signal.Signals) -> None:
    arguments = [application.name, "--app-dir", str(application.folder), "--port", "0"]
    env = {"MYSITE_DATA": str(folder), "TMPDIR": str(folder)}
    with Process(*arguments, cwd=folder, env=env) as process:
        host, port = process.address
        with httpx.Client(base_url=f"http://{host}:{port}", trust_env=False) as client:
            for _ in range(3):
                response = client.get(application.page)
                assert response.status_code == 200
                assert application.text in response.text
            process.send(number)
            assert process.wait() == 0
    assert f"serving {application.name} (wsgi)" in "".join(process.errors)
    assert "Traceback" not in "".join(process.errors)
    assert sum(f"GET {application.page} HTTP/1.1" in line for line in process.output) == 3
    with pytest.raises(ConnectionRefusedError), socket.create_connection((host, port)):
        pass
