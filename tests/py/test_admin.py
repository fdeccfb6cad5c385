"""The admin address: what it says, when it says it, and that nothing the application does keeps it from answering."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from support.client import Client, request
from support.faults import wait_until, workers_of
from support.load import Load
from support.process import Process, environment

APP = """
import time, os
from velocem import metrics

orders = metrics.counter("orders_total", "Orders taken.", ["kind"])
queue = metrics.gauge("jobs", "Jobs that wait.")
took = metrics.histogram("took_seconds", "A step.", bounds=[0.1, 1])

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/hang":
        while True:
            pass
    if path == "/order":
        orders.labels("book").inc(2)
        queue.set(5)
        took.observe(0.5)
    if path == "/fork":
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
    if path == "/slow":
        time.sleep(0.3)
    body = environ["wsgi.input"].read()
    start_response("404 Not Found" if path == "/none" else "200 OK", [("Content-Length", "5")])
    return [b"hello"]
"""

ADDRESS = re.compile(r"admin address is (\S+)")


def admin_of(process: Process) -> str:
    return next(match[1] for line in process.errors if (match := ADDRESS.search(line)))


@contextmanager
def served(tmp_path: Path, *options: str, source: str = APP) -> Iterator[tuple[Process, str]]:
    (tmp_path / "counted.py").write_text(source)
    arguments = ("counted:app", "--port", "0", "--no-access-log", "--admin", "127.0.0.1:0", *options)
    with Process(*arguments, cwd=tmp_path) as process:
        yield process, admin_of(process)


def ask(url: str) -> tuple[int, str]:
    try:
        with urlopen(url, timeout=10) as response:
            return response.status, response.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def families(admin: str) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(ask(f"{admin}/metrics")[1])}


def value(admin: str, name: str, **labels: str) -> float:
    found = [
        sample.value
        for family in families(admin).values()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    assert len(found) == 1, (name, labels, found)
    return found[0]


def get(process: Process, target: str, count: int = 1) -> None:
    for _ in range(count):
        with Client(process.address) as client:
            client.ask(request("GET", target, "Connection: close"))


@pytest.mark.parametrize("options", [(), ("--workers", "2"), ("--threads", "2")])
def test_what_is_counted_is_what_was_asked(tmp_path: Path, options: tuple[str, ...]) -> None:
    with served(tmp_path, *options) as (process, admin):
        get(process, "/", 5)
        get(process, "/none", 3)
        with Client(process.address) as client:
            client.send(b"nonsense\r\n\r\n")
            client.read()
        wait_until(lambda: value(admin, "velocem_requests_total", status="4xx") == 4, 10)
        assert value(admin, "velocem_requests_total", status="2xx") == 5
        assert value(admin, "velocem_requests_refused_total") == 1
        assert value(admin, "velocem_connections_accepted_total") == 9
        assert value(admin, "velocem_request_duration_seconds_count") == 9
        assert value(admin, "velocem_request_queue_seconds_count") == 8
        assert value(admin, "velocem_sent_bytes_total") > 9 * 50
        assert value(admin, "velocem_received_bytes_total") > 9 * 10
        assert value(admin, "velocem_requests_running") == 0


def test_connections_are_counted_by_what_they_wait_for(tmp_path: Path) -> None:
    with served(tmp_path) as (process, admin), Client(process.address) as idle, Client(process.address) as uploading:
        idle.ask(request())
        uploading.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
        wait_until(lambda: value(admin, "velocem_connections", state="body") == 1, 10)
        assert value(admin, "velocem_connections", state="idle") == 1
        uploading.send(b"cde")
        uploading.read()
        wait_until(lambda: value(admin, "velocem_connections", state="idle") == 2, 10)
        idle.close()
        wait_until(lambda: value(admin, "velocem_connections", state="idle") == 1, 10)
        assert value(admin, "velocem_connections", state="body") == 0


@pytest.mark.parametrize("options", [(), ("--workers", "1"), ("--threads", "1")])
def test_it_answers_while_the_application_never_gives_the_interpreter_back(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    with served(tmp_path, *options) as (process, admin), Client(process.address) as client:
        client.send(request("GET", "/hang"))
        wait_until(lambda: value(admin, "velocem_requests_running") == 1, 10)
        began = time.monotonic()
        assert ask(f"{admin}/healthz") == (200, "alive\n")
        assert ask(f"{admin}/readyz") == (200, "ready\n")
        assert time.monotonic() - began < 5
        for pid in {process.popen.pid} | workers_of(process):
            os.kill(pid, signal.SIGKILL)


SLOW_IMPORT = "import pathlib, time\nwhile not pathlib.Path('go').exists():\n    time.sleep(0.01)\n" + APP


@pytest.mark.parametrize("options", [(), ("--workers", "1")])
def test_it_is_ready_when_the_application_is(tmp_path: Path, options: tuple[str, ...]) -> None:
    (tmp_path / "counted.py").write_text(SLOW_IMPORT)
    line = [
        sys.executable,
        "-m",
        "velocem",
        "counted:app",
        "--port",
        "0",
        "--admin",
        f"unix:{tmp_path}/admin",
        *options,
    ]
    log = tmp_path / "log"
    with log.open("wb") as out, subprocess.Popen(line, cwd=tmp_path, env=environment(), stderr=out) as process:
        try:
            wait_until((tmp_path / "admin").exists, 10)
            wait_until(lambda: ask_unix(tmp_path / "admin", "/healthz") == 200, 10)
            assert ask_unix(tmp_path / "admin", "/readyz") == 503
            (tmp_path / "go").touch()
            wait_until(lambda: ask_unix(tmp_path / "admin", "/readyz") == 200, 10)
            wait_until(lambda: b" serving " in log.read_bytes(), 10)  # signals mean something from then on
        finally:
            process.terminate()
    assert process.returncode == 0
    assert not (tmp_path / "admin").exists()


def ask_unix(path: Path, target: str) -> int:
    with Client(f"unix:{path}") as client:
        return client.ask(request("GET", target)).status


@pytest.mark.parametrize("options", [(), ("--workers", "2")])
def test_it_is_not_ready_while_the_server_stops(tmp_path: Path, options: tuple[str, ...]) -> None:
    with served(tmp_path, *options) as (process, admin), Client(process.address) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
        wait_until(lambda: value(admin, "velocem_connections", state="body") == 1, 10)
        assert ask(f"{admin}/readyz")[0] == 200
        process.send(signal.SIGTERM)
        wait_until(lambda: ask(f"{admin}/readyz")[0] == 503, 10)
        assert ask(f"{admin}/healthz")[0] == 200
        client.send(b"cde")
        assert client.read().status == 200
        assert process.wait() == 0


def test_numbers_of_dead_workers_stay_and_their_ends_are_told_by_cause(tmp_path: Path) -> None:
    with served(tmp_path, "--workers", "1") as (process, admin):
        get(process, "/", 3)
        (worker,) = workers_of(process)
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: value(admin, "velocem_workers", state="serving") == 1 and not {worker} & workers_of(process))
        get(process, "/", 2)
        wait_until(lambda: value(admin, "velocem_requests_total", status="2xx") == 5, 10)
        assert value(admin, "velocem_workers_replaced_total", cause="crash") == 1
        (worker,) = workers_of(process)
        process.send(signal.SIGHUP)
        wait_until(lambda: not {worker} & workers_of(process))
        wait_until(lambda: value(admin, "velocem_workers_replaced_total", cause="reload") == 1, 10)
        memory = families(admin)["velocem_worker_memory_bytes"].samples
        assert {sample.labels["pid"] for sample in memory} == set(map(str, workers_of(process)))
        assert all(sample.value > 1 << 20 for sample in memory)


@pytest.mark.parametrize("options", [(), ("--workers", "2")])
def test_the_application_counts_too(tmp_path: Path, options: tuple[str, ...]) -> None:
    with served(tmp_path, *options) as (process, admin):
        get(process, "/order", 10)
        assert value(admin, "orders_total", kind="book") == 20
        assert value(admin, "jobs") == 5
        assert value(admin, "took_seconds_bucket", le="0.1") == 0
        assert value(admin, "took_seconds_bucket", le="1") == 10
        assert value(admin, "took_seconds_sum") == 5
        found = families(admin)
        assert found["orders"].type == "counter"
        assert found["orders"].documentation == "Orders taken."
        assert found["took_seconds"].type == "histogram"


def test_a_process_that_the_application_forks_does_not_end_it(tmp_path: Path) -> None:
    with served(tmp_path) as (process, admin):
        get(process, "/fork")
        assert ask(f"{admin}/healthz")[0] == 200


def test_the_page_is_there(tmp_path: Path) -> None:
    with served(tmp_path) as (_, admin):
        status, text = ask(admin + "/")
        assert status == 200
        assert "<title>Velocem</title>" in text
        assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
        assert "https://" not in text


@pytest.mark.skipif(not shutil.which("chromium"), reason="chromium is not installed")
def test_the_page_draws_in_a_browser(tmp_path: Path) -> None:
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile"]
    with served(tmp_path, "--workers", "2") as (process, admin), Load(process.address, kept=1, pause=0.01):
        line = ["chromium", *options, "--virtual-time-budget=4000", "--dump-dom", admin + "/"]
        done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert re.search(r'class="state ready">ready<', done.stdout)
    assert "2 serving" in done.stdout
    assert done.stdout.count("<polyline") >= 8
    assert re.search(r"2xx [1-9]", done.stdout)


def test_an_address_in_use_is_an_error(tmp_path: Path) -> None:
    with served(tmp_path) as (_, admin):
        line = [sys.executable, "-m", "velocem", "counted:app", "--port", "0", "--admin", admin.removeprefix("http://")]
        done = subprocess.run(
            line, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 3
        assert "the address is in use" in done.stderr
