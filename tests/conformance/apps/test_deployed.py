"""Flask and Django as sites run them: two workers of eight threads, many visitors, a reload in the middle."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from flaskr import create_app
from support.faults import wait_until, workers_of
from support.process import Process, environment

DATA = Path(__file__).resolve().parents[2] / "data"
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')
DEPLOYED = ["--port", "0", "--workers", "2", "--threads", "8", "--no-access-log"]

VISITORS = 8

Visit = Callable[[httpx.Client, int], None]


def receive_visitors(process: Process, before: Visit, after: Visit) -> None:
    """All at a time; before a reload and after it with the same connections and cookies."""
    host, port = process.address
    met, reloaded = threading.Barrier(VISITORS + 1), threading.Event()

    def visit(number: int) -> None:
        with httpx.Client(base_url=f"http://{host}:{port}", trust_env=False, timeout=60) as client:
            before(client, number)
            met.wait(60)
            while not reloaded.is_set():
                after(client, number)
            after(client, number)

    with ThreadPoolExecutor(VISITORS) as pool:
        visits = [pool.submit(visit, number) for number in range(VISITORS)]
        try:
            met.wait(60)
            workers = workers_of(process)
            process.send(signal.SIGHUP)
            wait_until(lambda: not workers & workers_of(process) and len(workers_of(process)) == 2)
        finally:
            reloaded.set()
        for done in visits:
            done.result()
    process.send(signal.SIGTERM)
    assert process.wait() == 0
    assert "Traceback" not in "".join(process.errors)


def test_flask(tmp_path: Path) -> None:
    create_app(str(tmp_path))  # makes the database

    def sign_up_and_write(client: httpx.Client, number: int) -> None:
        account = {"name": f"visitor{number}", "password": "secret"}
        assert client.post("/auth/register", data=account).status_code == 302
        assert client.post("/auth/login", data=account).headers["Location"] == "/"
        assert client.post("/create", data={"title": f"By {number}", "body": "b" * number}).status_code == 302

    def look(client: httpx.Client, number: int) -> None:
        pages = [client.get("/"), client.get("/?page=2")]
        assert [page.status_code for page in pages] == [200, 200]
        assert any(f"By {number}" in page.text for page in pages)
        assert client.get("/create").status_code == 200  # only for those who are logged in

    app = f"flaskr:create_app({str(tmp_path)!r}, SECRET_KEY='of all workers')"
    with Process(app, "--app-dir", str(DATA), *DEPLOYED, cwd=tmp_path) as process:
        receive_visitors(process, sign_up_and_write, look)


def test_django(tmp_path: Path) -> None:
    env = {
        "MYSITE_DATA": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "mysite.settings",
        "DJANGO_SUPERUSER_PASSWORD": "secret",
        "PYTHONPATH": os.pathsep.join([str(DATA / "djangosite"), os.environ.get("PYTHONPATH", "")]),
    }
    manage(env, "migrate", "--verbosity", "0")
    manage(env, "createsuperuser", "--no-input", "--username", "root", "--email", "root@localhost")

    def log_in(client: httpx.Client, _: int) -> None:
        fields = {"username": "root", "password": "secret", "csrfmiddlewaretoken": token(client, "/admin/login/")}
        assert client.post("/admin/login/?next=/admin/", data=fields).headers["Location"] == "/admin/"

    def look(client: httpx.Client, _: int) -> None:
        page = client.get("/admin/")
        assert page.status_code == 200
        assert "Django administration" in page.text

    app = ["mysite.wsgi:application", "--app-dir", str(DATA / "djangosite")]
    with Process(*app, *DEPLOYED, cwd=tmp_path, env=env) as process:
        receive_visitors(process, log_in, look)


def manage(env: dict[str, str], *arguments: str) -> None:
    line = [sys.executable, "-m", "django", *arguments]
    subprocess.run(line, env=environment(env), check=True, timeout=60, capture_output=True)


def token(client: httpx.Client, page: str) -> str:
    found = TOKEN.search(client.get(page).text)
    assert found
    return found[1]
