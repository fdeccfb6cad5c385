"""velocem top: rates and durations of a running server, as text."""

import os
import pty
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from support.client import Client, request
from support.faults import wait_until
from support.process import Process, command, environment

from velocem.top import Sample, quantile, screen

APP = """
from velocem import metrics

asked = metrics.counter("asked_total", labels=["what"])

def app(environ, start_response):
    asked.labels("it").inc()
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_one_look(tmp_path: Path, kind: str) -> None:
    (tmp_path / "looked_at.py").write_text(APP)
    place = f"unix:{tmp_path}/admin" if kind == "unix" else "127.0.0.1:0"
    with Process("looked_at:app", "--port", "0", "--admin", place, "--workers", "2", cwd=tmp_path) as process:
        if kind == "tcp":
            place = next(line.split("http://")[1].strip() for line in process.errors if "admin address" in line)
        with Client(process.address) as client:
            client.ask(request())
        wait_until(lambda: "2xx" in command("top", place, cwd=tmp_path).stdout, 20)
        text = command("top", place, "--once", cwd=tmp_path).stdout
        assert "2 serving" in text
        assert 'asked_total{what="it"}  1' in text
        assert text.count(" MiB") >= 2


def test_nobody_there(tmp_path: Path) -> None:
    done = command("top", f"unix:{tmp_path}/nobody", cwd=tmp_path)
    assert done.returncode == 3
    assert "does not answer" in done.stderr
    assert command("top", "fd://3", cwd=tmp_path).returncode == 2


def test_a_terminal_is_drawn_to_until_control_c(tmp_path: Path) -> None:
    (tmp_path / "looked_at.py").write_text(APP)
    with Process("looked_at:app", "--port", "0", "--admin", f"unix:{tmp_path}/admin", cwd=tmp_path):
        ours, theirs = pty.openpty()
        line = [sys.executable, "-m", "velocem", "top", f"unix:{tmp_path}/admin", "--interval", "0.1"]
        with subprocess.Popen(line, cwd=tmp_path, env=environment({"COLUMNS": "200"}), stdout=theirs) as process:
            os.close(theirs)
            seen = b""
            while seen.count(b"requests/s") < 3:
                seen += os.read(ours, 65536)
            process.send_signal(signal.SIGINT)
            with suppress(OSError):  # the other end is closed
                while os.read(ours, 65536):
                    pass
        os.close(ours)
        assert process.returncode == 0
        assert b"1 serving" in seen


def test_rates_and_quantiles_are_those_between_two_looks() -> None:
    text = """
velocem_requests_total{{status="2xx"}} {count}
velocem_request_duration_seconds_bucket{{le="0.1"}} {fast}
velocem_request_duration_seconds_bucket{{le="0.2"}} {count}
velocem_request_duration_seconds_bucket{{le="+Inf"}} {count}
"""
    before, now = Sample(text.format(count=100, fast=100), 10.0), Sample(text.format(count=200, fast=150), 12.0)
    assert quantile(now, before, "velocem_request_duration_seconds", 0.25) == 0.05
    assert quantile(now, before, "velocem_request_duration_seconds", 0.75) == pytest.approx(0.15)
    assert quantile(before, before, "velocem_request_duration_seconds", 0.5) is None
    assert any("2xx 50.0" in line for line in screen("here", now, before))
