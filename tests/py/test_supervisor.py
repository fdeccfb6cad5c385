"""The command with several workers: who serves, who replaces whom, and how it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.client import Client, request
from support.faults import children_of, is_alive, wait_until, workers_of
from support.process import Process, command, environment

APP = """
import os, time

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/slow":
        open("entered", "w").close()
        time.sleep(1)
    if path == "/sleep":
        open("entered", "w").close()
        time.sleep(60)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.getpid()} {environ['wsgi.multiprocess']}".encode()]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "site_app.py").write_text(APP)
    return tmp_path


def start(folder: Path, *arguments: str, app: str = "site_app:app") -> Process:
    return Process(app, "--port", "0", *arguments, cwd=folder)


def ask(process: Process, target: str = "/") -> str:
    with Client(process.address) as client:
        response = client.ask(request("GET", target, "Connection: close"))
        assert response.status == 200
        return response.body.decode()


def worker_that_answers(process: Process) -> int:
    return int(ask(process).split()[0])


def answers_of(process: Process, count: int) -> set[str]:
    """Ask until there are so many different ones."""
    answers: set[str] = set()
    end = time.monotonic() + 20
    while len(answers) < count:
        assert time.monotonic() < end, answers
        answers.add(ask(process))
    return answers


def seen_in(process: Process, text: str) -> Callable[[], bool]:
    return lambda: text in "".join(process.errors)


def title(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode()


# Serving.


def test_every_worker_serves_and_says_that_it_is_not_alone(folder: Path) -> None:
    with start(folder, "--workers", "3") as process:
        workers = workers_of(process)
        assert len(workers) == 3
        assert answers_of(process, 3) == {f"{pid} True" for pid in workers}
        assert "(wsgi, 3 workers)" in process.errors[0]


@pytest.mark.parametrize(
    ("options", "several"), [([], False), (["-w", "1"], True), (["--reload"], False), (["--reload", "-w", "2"], True)]
)
def test_the_application_is_told_whether_it_may_run_elsewhere_too(
    options: list[str], several: bool, folder: Path
) -> None:
    with start(folder, *options) as process:
        assert ask(process).endswith(f" {several}")


def test_lines_of_several_workers_do_not_mix_in_one_pipe(folder: Path) -> None:
    """Some of them longer than what a pipe takes in one piece."""
    with start(folder, "--workers", "2", "--access-log-format", "json") as process:

        def visit(number: int) -> None:
            for turn in range(60):
                with Client(process.address) as client:
                    client.ask(request("GET", f"/{number}" + "x" * (turn * 100), "Connection: close"))

        threads = [threading.Thread(target=visit, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        process.send(signal.SIGTERM)
        assert process.wait() == 0
    targets = [json.loads(line)["target"] for line in process.output]
    assert len(targets) == 240
    assert {len(target) for target in targets if not target.endswith("...")} >= {2 + 100 * turn for turn in range(35)}
    assert all(len(line) <= 4096 for line in process.output)


def test_processes_are_named_after_their_roles(folder: Path) -> None:
    with start(folder, "-w", "2") as process:
        assert title(process.popen.pid) == "velocem: supervisor (site_app:app)"
        assert {title(pid) for pid in workers_of(process)} == {
            "velocem: worker 1 (site_app:app)",
            "velocem: worker 2 (site_app:app)",
        }


def test_a_port_in_use_is_an_error_although_workers_share_one(folder: Path) -> None:
    with start(folder, "--workers", "2") as process:
        result = command("site_app:app", "--workers", "2", "--port", str(process.address[1]), cwd=folder)
        assert result.returncode == 3
        assert "the address is in use" in result.stderr


def test_run_with_an_application_object(tmp_path: Path) -> None:
    program = """
import os, signal, threading, time, urllib.request, velocem
parent = os.getpid()
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"%d" % os.getpid()]
velocem.run(app, port=0, workers=2, timeout_graceful_shutdown=5)
assert os.getpid() == parent
assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
print("returned", flush=True)
"""
    (tmp_path / "program.py").write_text(program)
    popen = subprocess.Popen(
        [sys.executable, "program.py"], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert popen.stderr is not None
    line = popen.stderr.readline().decode()
    port = int(line.partition("http://127.0.0.1:")[2].split()[0])
    with Client(("127.0.0.1", port)) as client:
        assert int(client.ask(request()).body) in children_of(popen.pid)
    popen.send_signal(signal.SIGTERM)
    output, _ = popen.communicate(timeout=30)
    assert (popen.returncode, output) == (0, b"returned\n")


def test_workers_need_the_main_thread(tmp_path: Path) -> None:
    program = """
import threading, velocem
def run():
    try:
        velocem.run(lambda environ, start_response: [], port=0, workers=2)
    except SystemExit as error:
        print("exit", error.code)
thread = threading.Thread(target=run)
thread.start()
thread.join()
"""
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True
    )
    assert result.stdout == "exit 2\n"
    assert result.stderr.startswith("velocem: error: workers: ")


# Deaths.


def test_a_worker_that_is_killed_is_replaced(folder: Path) -> None:
    with start(folder, "--workers", "2") as process:
        victim, other = sorted(workers_of(process))
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: len(workers_of(process) - {victim}) == 2)
        assert other in workers_of(process)
        wait_until(seen_in(process, "worker 1 serves"))
        assert f"worker 1 (pid {victim}) died: SIGKILL\n" in "".join(process.errors)
        for _ in range(20):
            ask(process)


def test_a_worker_that_somebody_else_tells_to_go_is_replaced_while_it_finishes(folder: Path) -> None:
    with start(folder, "--workers", "1") as process, Client(process.address) as client:
        (worker,) = workers_of(process)
        client.send(request("GET", "/slow"))
        wait_until((folder / "entered").exists)
        os.kill(worker, signal.SIGTERM)
        assert worker_that_answers(process) != worker
        assert client.read().body.startswith(b"%d" % worker)
        assert f"worker 1 (pid {worker}) was told to go" in "".join(process.errors)
        wait_until(lambda: len(workers_of(process)) == 1)


def test_an_application_that_ends_its_process_is_started_again(folder: Path) -> None:
    (folder / "leaver.py").write_text(
        "import os\ndef app(environ, start_response):\n    os._exit(0)\n",
    )
    with start(folder, "--workers", "1", app="leaver:app") as process:
        with Client(process.address) as client:
            client.send(request())
            assert client.is_closed()
        wait_until(seen_in(process, "died: exit status 0"))
        wait_until(seen_in(process, "worker 1 serves"))


def test_a_first_start_that_fails_ends_with_3_and_one_traceback(folder: Path) -> None:
    (folder / "broken.py").write_text("import no_such_dependency\n")
    result = command("broken:app", "--port", "0", "--workers", "3", cwd=folder)
    assert result.returncode == 3
    assert result.stderr.count("Traceback") == 1
    lines = result.stderr.splitlines()
    assert lines[-2] == "ModuleNotFoundError: No module named 'no_such_dependency'"
    assert lines[-1] == "velocem: error: importing 'broken' failed"


def test_a_target_that_does_not_parse_is_a_bad_option(folder: Path) -> None:
    result = command("site_app", "--workers", "3", cwd=folder)
    assert result.returncode == 2
    assert result.stderr == "velocem: error: 'site_app' is not of the form module:attribute\n"


def test_an_application_whose_import_ends_the_process_is_tried_again_for_a_while(folder: Path) -> None:
    (folder / "dies.py").write_text("import os\nprint('import', flush=True)\nos._exit(3)\n")
    result = command("dies:app", "--port", "0", "--workers", "1", cwd=folder)
    assert result.returncode == 3
    assert result.stdout == "import\n" * 4
    assert result.stderr.count("failed to start: it died: exit status 3\n") == 3
    assert "velocem: error: it died: exit status 3\n" in result.stderr
    assert "worker 1 is started again in 0.5 seconds" in result.stderr


def test_no_worker_outlives_a_supervisor_that_is_killed(folder: Path) -> None:
    with start(folder, "--workers", "3") as process:
        workers = workers_of(process)
        with Client(process.address) as client:
            client.send(request("GET", "/slow"))
            wait_until((folder / "entered").exists)
            process.send(signal.SIGKILL)
            assert client.read().status == 200  # what had begun is finished
        wait_until(lambda: not any(map(is_alive, workers)))


def test_a_worker_that_still_imports_does_not_outlive_its_supervisor(folder: Path) -> None:
    (folder / "slow_import.py").write_text("import time\nopen('importing', 'w').close()\ntime.sleep(60)\n")
    process = start(folder, "--workers", "1", app="slow_import:app")
    wait_until((folder / "importing").exists)
    workers = workers_of(process)
    process.send(signal.SIGKILL)
    wait_until(lambda: not any(map(is_alive, workers)))
    process.wait()


# Reload and scale.


def test_hangup_replaces_every_worker(folder: Path) -> None:
    with start(folder, "--workers", "2") as process, Client(process.address) as client:
        before = workers_of(process)
        client.send(request("GET", "/slow"))
        wait_until((folder / "entered").exists)
        (folder / "site_app.py").write_text(APP.replace("os.getpid()}", "os.getpid()} new"))
        process.send(signal.SIGHUP)
        wait_until(lambda: not before & workers_of(process))
        assert int(client.read().body.split()[0]) in before
        assert len(workers_of(process)) == 2
        for _ in range(10):
            assert " new " in ask(process)


def test_a_reload_that_fails_keeps_the_old_workers_and_says_so(folder: Path) -> None:
    with start(folder, "--workers", "2") as process:
        before = workers_of(process)
        (folder / "site_app.py").write_text("1 / 0\n")
        process.send(signal.SIGHUP)
        wait_until(seen_in(process, f"worker 1 of before goes on (pid {min(before)})"))
        assert "ZeroDivisionError" in "".join(process.errors)
        for _ in range(10):
            assert worker_that_answers(process) in before
        assert workers_of(process) == before
        (folder / "site_app.py").write_text(APP)
        process.send(signal.SIGHUP)
        wait_until(lambda: len(workers_of(process)) == 2 and not before & workers_of(process))


def test_a_reload_reads_the_configuration_again(folder: Path) -> None:
    path = folder / "pyproject.toml"
    path.write_text("[tool.velocem]\nworkers = 2\nlimit-target = 1000\n")
    target = "/" + "a" * 1500
    with start(folder) as process:
        with Client(process.address) as client:
            assert client.ask(request("GET", target)).status == 414
        path.write_text("[tool.velocem]\nworkers = 1\nlimit-target = 2000\nbacklog = 7\n")
        process.send(signal.SIGHUP)
        wait_until(lambda: len(workers_of(process)) == 1)
        with Client(process.address) as client:
            assert client.ask(request("GET", target)).status == 200
        assert "only a new start changes: backlog" in "".join(process.errors)
        path.write_text("[tool.velocem]\nwokers = 3\n")
        process.send(signal.SIGHUP)
        wait_until(seen_in(process, "Velocem does not reload: [tool.velocem] wokers: no such option"))
        ask(process)


def test_a_reload_while_workers_still_start_takes_what_is_there_then(folder: Path) -> None:
    (folder / "slow_start.py").write_text("import time\nopen('importing', 'w').close()\ntime.sleep(60)\n")
    process = start(folder, "--workers", "2", app="slow_start:app")
    wait_until((folder / "importing").exists)
    (folder / "slow_start.py").write_text("from site_app import app\n")
    process.send(signal.SIGHUP)
    with process:
        assert len(answers_of(process, 2)) == 2


def test_a_worker_more_and_a_worker_less(folder: Path) -> None:
    with start(folder, "--workers", "1") as process:
        (first,) = workers_of(process)
        process.send(signal.SIGTTIN)
        wait_until(seen_in(process, "worker 2 serves"))
        assert len(workers_of(process)) == 2
        answers_of(process, 2)
        process.send(signal.SIGTTOU)
        wait_until(lambda: workers_of(process) == {first})
        for _ in range(10):
            assert worker_that_answers(process) == first
        process.send(signal.SIGTTOU)  # the last one stays
        process.send(signal.SIGTTIN)
        wait_until(lambda: len(workers_of(process)) == 2)


def test_scaled_down_and_up_again_before_the_worker_has_left(folder: Path) -> None:
    with start(folder, "--workers", "2") as process, Client(process.address) as client:
        before = workers_of(process)
        process.send(signal.SIGTTOU)
        wait_until(seen_in(process, "goes on with 1 workers"))
        process.send(signal.SIGTTIN)
        wait_until(seen_in(process, "goes on with 2 workers"))
        assert len(answers_of(process, 2)) == 2
        assert client.ask(request()).status == 200
        assert workers_of(process) == before


# The end.


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_running_requests_finish(number: signal.Signals, folder: Path) -> None:
    with start(folder, "--workers", "2") as process, Client(process.address) as client:
        client.send(request("GET", "/slow"))
        wait_until((folder / "entered").exists)
        process.send(number)
        assert client.read().status == 200
        assert process.wait() == 0
        assert process.errors[-1] == "INFO:     Velocem stopped\n"


def test_a_second_signal_ends_at_once(folder: Path) -> None:
    with start(folder, "--workers", "2") as process, Client(process.address) as client:
        client.send(request("GET", "/sleep"))
        wait_until((folder / "entered").exists)
        process.send(signal.SIGTERM)
        time.sleep(0.3)
        assert process.popen.poll() is None
        process.send(signal.SIGTERM)
        assert process.wait(10) == 0
        assert "Traceback" not in "".join(process.errors)


def test_a_worker_that_does_not_end_in_its_grace_is_killed(folder: Path) -> None:
    (folder / "stuck.py").write_text(
        "import atexit, time\n"
        "atexit.register(time.sleep, 60)\n"
        "def app(environ, start_response):\n    start_response('200 OK', [])\n    return []\n"
    )
    with start(folder, "--workers", "1", "--timeout-graceful-shutdown", "0.1", app="stuck:app") as process:
        process.send(signal.SIGTERM)
        assert process.wait(20) == 0


def test_exit_functions_of_the_application_run_in_each_worker(folder: Path) -> None:
    (folder / "tidy.py").write_text(
        "import atexit, os\n"
        "atexit.register(lambda: os.write(1, b'bye %d\\n' % os.getpid()))\n"
        "def app(environ, start_response):\n    start_response('200 OK', [])\n    return []\n"
    )
    with start(folder, "--workers", "2", app="tidy:app") as process:
        workers = workers_of(process)
        process.send(signal.SIGTERM)
        assert process.wait() == 0
        assert sorted(process.output) == sorted(f"bye {pid}\n" for pid in workers)


def test_a_process_that_the_application_forks_ends_by_a_signal_as_usual(folder: Path) -> None:
    (folder / "forker.py").write_text(
        "import multiprocessing, time\n"
        "def app(environ, start_response):\n"
        "    process = multiprocessing.get_context('fork').Process(target=time.sleep, args=(60,))\n"
        "    process.start()\n"
        "    time.sleep(0.2)\n"
        "    process.terminate()\n"
        "    process.join(10)\n"
        "    start_response('200 OK', [])\n"
        "    return [str(process.exitcode).encode()]\n"
    )
    with start(folder, "--workers", "1", app="forker:app") as process:
        assert ask(process) == "-15"


# Replaced by use.


def test_a_worker_is_replaced_after_its_number_of_requests(folder: Path) -> None:
    with start(folder, "--max-requests", "20", "--max-requests-jitter", "5") as process:
        (first,) = workers_of(process)
        seen: list[int] = []
        while len(set(seen)) < 3:
            seen.append(worker_that_answers(process))
        assert seen.count(first) >= 20
        wait_until(lambda: len(workers_of(process)) == 1)


def test_a_worn_worker_goes_on_while_no_other_can_start(folder: Path) -> None:
    with start(folder, "--max-requests", "5") as process:
        (first,) = workers_of(process)
        (folder / "site_app.py").write_text("1 / 0\n")
        for _ in range(10):
            assert worker_that_answers(process) == first
        wait_until(seen_in(process, f"worker 1 of before goes on (pid {first})"))
        assert worker_that_answers(process) == first
        (folder / "site_app.py").write_text(APP)
        wait_until(lambda: worker_that_answers(process) != first)


# Imported before the fork.

PRELOADED = """
import atexit, os, threading
print(f"imported in {os.getpid()}", flush=True)
atexit.register(lambda: os.write(1, b"bye %d\\n" % os.getpid()))
if START_A_THREAD:
    threading.Thread(target=threading.Event().wait, name="busy", daemon=True).start()

def app(environ, start_response):
    start_response("200 OK", [])
    return [b"%d" % os.getpid()]
"""


def test_preload_imports_once(folder: Path) -> None:
    (folder / "early.py").write_text(PRELOADED.replace("START_A_THREAD", "False"))
    with start(folder, "--workers", "2", "--preload", "--no-access-log", app="early:app") as process:
        workers, supervisor = workers_of(process), process.popen.pid
        assert worker_that_answers(process) in workers
        process.send(signal.SIGHUP)
        wait_until(lambda: not workers & workers_of(process) and len(workers_of(process)) == 2)
        workers |= workers_of(process)
        process.send(signal.SIGTERM)
        assert process.wait() == 0
        assert process.output[0] == f"imported in {supervisor}\n"
        assert sorted(process.output[1:]) == sorted(f"bye {pid}\n" for pid in {supervisor, *workers})
        assert "threads" not in "".join(process.errors)


def test_preload_with_threads_serves_and_says_that_they_stay_behind(folder: Path) -> None:
    (folder / "early.py").write_text(PRELOADED.replace("START_A_THREAD", "True"))
    with start(folder, "--workers", "2", "--preload", app="early:app") as process:
        assert worker_that_answers(process) in workers_of(process)
        assert "threads do not live on in workers: busy" in "".join(process.errors)


def test_preload_that_fails_ends_with_3(folder: Path) -> None:
    (folder / "broken.py").write_text("1 / 0\n")
    result = command("broken:app", "--workers", "2", "--preload", cwd=folder)
    assert result.returncode == 3
    assert result.stderr.endswith("velocem: error: importing 'broken' failed\n")


# Restarted by changes.


def test_a_change_of_an_imported_file_restarts_the_worker(folder: Path) -> None:
    (folder / "part.py").write_text("text = b'old'\n")
    (folder / "whole.py").write_text(
        "import part\ndef app(environ, start_response):\n    start_response('200 OK', [])\n    return [part.text]\n"
    )
    with start(folder, "--reload", app="whole:app") as process:
        assert ask(process) == "old"
        (folder / "part.py").write_text("text = b'newer'\n")
        wait_until(lambda: ask(process) == "newer")
        assert f"{folder / 'part.py'} has changed" in "".join(process.errors)


@pytest.mark.parametrize("broken", ["def app(\n", "import gone\n", "1 / 0\n"])
def test_an_import_that_fails_is_waited_for(broken: str, folder: Path) -> None:
    good = "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'good']\n"
    (folder / "whole.py").write_text(broken)
    process = start(folder, "--reload", app="whole:app")
    wait_until(seen_in(process, "Velocem waits until a file changes"))
    if "gone" in broken:
        (folder / "gone.py").write_text("")
        wait_until(lambda: "".join(process.errors).count("waits until a file changes") == 2)
    (folder / "whole.py").write_text(good)
    with process:
        assert ask(process) == "good"
        (folder / "whole.py").write_text(broken + "\n")
        wait_until(seen_in(process, "whole.py has changed"))
        (folder / "whole.py").write_text(good.replace("good", "better"))
        wait_until(lambda: ask(process) == "better")


@pytest.mark.parametrize(("options", "line"), [(["--preload"], "reload: what is imported before the fork")])
def test_what_reload_does_not_go_with(options: list[str], line: str, folder: Path) -> None:
    result = command("site_app:app", "--reload", *options, cwd=folder)
    assert result.returncode == 2
    assert line in result.stderr


# Files.


def test_the_pid_file_lives_as_long_as_the_supervisor(folder: Path) -> None:
    path = folder / "server.pid"
    with start(folder, "--workers", "1", "--pid", str(path)) as process:
        assert path.read_text() == f"{process.popen.pid}\n"
        result = command("site_app:app", "--port", "0", "--pid", str(path), cwd=folder)
        assert result.returncode == 3
        assert result.stderr == (
            f"velocem: error: the pid file {path} belongs to a process that runs ({process.popen.pid})\n"
        )
        process.send(signal.SIGTERM)
        assert process.wait() == 0
        assert not path.exists()


def test_a_pid_file_left_behind_is_taken_over(folder: Path) -> None:
    path = folder / "server.pid"
    path.write_text("1\n")
    with start(folder, "--pid", str(path)) as process:
        assert path.read_text() == f"{process.popen.pid}\n"


def test_logs_go_to_files_that_are_opened_again(folder: Path) -> None:
    access, errors = folder / "access.log", folder / "error.log"
    options = ["--workers", "2", "--access-logfile", str(access), "--log-file", str(errors)]
    process = start(folder, *options)
    try:
        wait_until(lambda: errors.exists() and "serving" in errors.read_text())
        port = int(errors.read_text().partition("http://127.0.0.1:")[2].split()[0])
        process.address = ("127.0.0.1", port)
        answers_of(process, 2)
        access.rename(folder / "access.old")
        errors.rename(folder / "error.old")
        process.send(signal.SIGUSR1)
        wait_until(lambda: access.exists() and errors.exists())
        before = (folder / "access.old").read_text()
        wait_until(lambda: ask(process) and access.read_text().count("GET /") >= 5)
        assert (folder / "access.old").read_text().count("\n") <= before.count("\n") + 2
        process.send(signal.SIGTERM)
        assert process.wait() == 0
        assert "Velocem stopped" in errors.read_text()
        assert process.output == process.errors == []
    finally:
        process.popen.kill()
        process.wait()


def test_a_log_that_cannot_be_written(folder: Path) -> None:
    result = command("site_app:app", "--port", "0", "--access-logfile", "/no/such/folder/log", cwd=folder)
    assert result.returncode == 3
    assert result.stderr == "velocem: error: cannot write to /no/such/folder/log: No such file or directory\n"


# The world around.


def test_systemd_is_told_how_it_goes(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(folder / "notify"))
        manager.settimeout(20)
        process = Process(
            "site_app:app", "--port", "0", "-w", "2", cwd=folder, env={"NOTIFY_SOCKET": str(folder / "notify")}
        )
        with process:
            assert manager.recv(100) == b"READY=1"
            process.send(signal.SIGHUP)
            assert manager.recv(100).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
            assert manager.recv(100) == b"READY=1"
            process.send(signal.SIGTERM)
            assert manager.recv(100) == b"STOPPING=1"
            assert process.wait() == 0


CONTAINER = """
import os, subprocess, sys
# An orphan: its parent ends at once, and it some time later.
ORPHAN = "import subprocess, sys; subprocess.Popen(['sleep', '0.5'])"
def app(environ, start_response):
    subprocess.run([sys.executable, "-c", ORPHAN], check=True)
    start_response("200 OK", [])
    return [str(os.getppid()).encode()]
"""


NAME_SPACE = ["unshare", "--pid", "--fork", "--mount-proc"]


@pytest.mark.skipif(
    subprocess.run([*NAME_SPACE, "true"], capture_output=True, check=False).returncode != 0,
    reason="no right to make a process name space, or to mount its /proc",
)
def test_the_first_process_of_a_container_buries_orphans(folder: Path) -> None:
    (folder / "container.py").write_text(CONTAINER)
    line = [*NAME_SPACE, sys.executable, "-m", "velocem", "container:app"]
    popen = subprocess.Popen(
        [*line, "--workers", "1", "--port", "0"], cwd=folder, env=environment(), stderr=subprocess.PIPE, text=True
    )
    assert popen.stderr is not None
    try:
        port = int(popen.stderr.readline().partition("http://127.0.0.1:")[2].split()[0])
        with Client(("127.0.0.1", port)) as client:
            assert client.ask(request()).body == b"1"
        (supervisor,) = children_of(popen.pid)
        wait_until(lambda: len(children_of(supervisor)) == 2)
        wait_until(lambda: len(children_of(supervisor)) == 1)
        os.kill(supervisor, signal.SIGTERM)
        assert popen.wait(20) == 0
    finally:
        popen.kill()
        popen.wait()
        popen.stderr.close()


# Sockets.


def test_a_shared_socket_strands_nobody_behind_a_worker_that_is_busy(folder: Path) -> None:
    options = ["--workers", "2", "--accept", "shared", "--timeout-graceful-shutdown", "0.1"]
    with start(folder, *options) as process, Client(process.address) as client:
        client.send(request("GET", "/sleep"))
        wait_until((folder / "entered").exists)
        for _ in range(20):
            ask(process)
        process.send(signal.SIGQUIT)
        assert process.wait() == 0
