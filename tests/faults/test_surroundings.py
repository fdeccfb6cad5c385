"""What a server stands on goes wrong: clocks jump, log files are closed, full or slow."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from support.client import Client, request
from support.faults import Start, Tell, wait_until, workers_of
from support.load import Load
from support.process import Process, environment

HELLO = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("threads", ["0", "2"])
def test_a_full_disk_under_the_logs(start: Start, tell: Tell, threads: str) -> None:
    """The access log on a disk that is full (/dev/full), under load."""
    logs = ["--access-log", "--access-logfile", "/dev/full", "--threads", threads]
    process = start(HELLO, "--workers", "2", *logs)
    before = workers_of(process)
    with Load(process.address, fresh=1, kept=2) as load:
        load.wait_for(300)
    tell(f"--threads {threads}: {load.figure}")
    assert load.losses == []
    assert workers_of(process) == before


def test_a_log_that_nobody_reads(start: Start, tell: Tell, tmp_path: Path) -> None:
    """An access log whose reader has stopped reading (a full pipe), under load: lines are lost, requests are not."""
    os.mkfifo(tmp_path / "log")
    reader = os.open(tmp_path / "log", os.O_RDWR | os.O_NONBLOCK)
    admin = f"unix:{tmp_path}/admin"
    logs = ["--access-log", "--access-logfile", f"{tmp_path}/log", "--access-log-format", "json", "--admin", admin]
    process = start(HELLO, "--workers", "1", *logs)
    with Load(process.address, kept=4, target="/" + "x" * 4000) as load:
        wait_until(lambda: dropped(admin) > 100)
        load.wait_for(100)
    tell(f"{load.figure}; {dropped(admin)} lines dropped and counted")
    assert load.losses == []
    os.close(reader)


def dropped(admin: str) -> int:
    with Client(admin) as client:
        text = client.ask(request("GET", "/metrics")).body.decode()
    return int(
        next(line.split()[1] for line in text.splitlines() if line.startswith("velocem_log_lines_dropped_total"))
    )


def test_closed_streams(tmp_path: Path, tell: Tell) -> None:
    """Standard output and error closed under a running server, whose access log goes there."""
    (tmp_path / "faulty.py").write_text(HELLO)
    ours, theirs = os.pipe()
    options = ["--bind", f"unix:{tmp_path}/app", "--workers", "1", "--access-log"]
    line = [sys.executable, "-m", "velocem", "faulty:app", *options]
    with subprocess.Popen(line, cwd=tmp_path, env=environment(), stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        wait_until(lambda: answers(tmp_path), 20)
        os.close(ours)
        asked = sum(answers(tmp_path) for _ in range(200))
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: answers(tmp_path), 20)
        process.send_signal(signal.SIGTERM)
        status = process.wait(30)
    tell(f"sent 200, answered {asked}, lost {200 - asked}; after a reload exit status {status}")
    assert asked == 200
    assert status == 0


def answers(folder: Path) -> bool:
    with suppress(OSError), Client(f"unix:{folder}/app") as client:
        return client.ask(request()).status == 200
    return False


FAKETIME = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)


@pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed: apt-get install libfaketime")
def test_a_clock_that_jumps(tmp_path: Path, tell: Tell) -> None:
    """The wall clock jumps a day forth and a year back under load, with every time-out in force."""
    (tmp_path / "faulty.py").write_text(HELLO)
    (tmp_path / "time").write_text("+0")
    env = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": f"{tmp_path}/time",
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    options = ["--workers", "2", "--timeout-request", "5", "--max-worker-age", "600", "--no-access-log"]
    with Process("faulty:app", "--port", "0", *options, cwd=tmp_path, env=env) as process:
        before, dates = workers_of(process), []
        with Load(process.address, fresh=1, kept=1, thinking=2, pause=0.005) as load:
            for jump in ("+0", "+1d", "-1y"):
                (tmp_path / "time").write_text(jump)
                load.wait_for(100)
                time.sleep(1.1)  # a Date is made once a second
                with Client(process.address) as client:
                    dates.append(client.ask(request()).get("Date"))
        assert workers_of(process) == before
    tell(f"{load.figure}; Date followed: {len(set(dates))} of 3")
    assert load.losses == []
    assert len(set(dates)) == 3
