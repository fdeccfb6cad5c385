"""The command as users type it: what it prints, what it exits with, what signals do."""

import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from support.client import Client, request
from support.process import Process, command, environment

import velocem
from velocem.config import LATER, TABLE
from velocem.places import FORMS

APP = """
import os, time

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/sleep":
        open("entered", "w").close()
        time.sleep(60)
    if path == "/slow":
        open("entered", "w").close()
        time.sleep(0.5)
    if path == "/fail":
        raise KeyError("in the application")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]

def make(name="made"):
    return app

async def asgi(scope, receive, send): ...

number = 3
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "site_app.py").write_text(APP)
    return tmp_path


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def refused(status: int, *arguments: str, cwd: Path, env: dict[str, str] | None = None) -> str:
    """The one line that a failing command prints."""
    result = command(*arguments, cwd=cwd, env=env)
    assert result.returncode == status, result.stderr
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.startswith("velocem: error: ")
    return result.stderr.removeprefix("velocem: error: ").strip()


def test_version(tmp_path: Path) -> None:
    result = command("--version", cwd=tmp_path)
    assert result.returncode == 0
    assert result.stdout.startswith(f"Velocem {velocem.__version__}, CPython 3.")


def test_help_lists_every_option_and_none_of_later_versions(tmp_path: Path) -> None:
    text = command("--help", cwd=tmp_path).stdout
    for name in set(TABLE) - {"app"}:
        assert f"--{name.replace('_', '-')}" in text
    for name in LATER:
        assert f"--{name.replace('_', '-')}" not in text


def test_the_installed_script_is_the_same_command(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("velocem")
    if not script.exists():
        pytest.skip("the package is not installed in this environment")
    result = subprocess.run([script, "--version"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert result.stdout.startswith("Velocem ")


def test_it_serves_and_says_where(folder: Path) -> None:
    with Process("site_app:app", "--port", "0", cwd=folder) as process:
        host, port = process.address
        with urllib.request.urlopen(f"http://{host}:{port}/", timeout=10) as response:
            assert response.read() == str(process.popen.pid).encode()
        line = f"Velocem {velocem.__version__} serving site_app:app (wsgi) on http://127.0.0.1:{port}"
        assert process.errors[0] == f"INFO:     {line} (pid {process.popen.pid})\n"


def test_factory_and_folder(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    arguments = ("--factory", "site_app:make", "--port=0", "--app-dir", str(folder))
    with Process(*arguments, cwd=elsewhere) as process, Client(process.address) as client:
        assert client.ask(request()).status == 200


def test_options_from_environment_and_pyproject(folder: Path) -> None:
    (folder / "pyproject.toml").write_text('[tool.velocem]\napp = "site_app:make()"\nport = 1\naccess-log = true\n')
    with Process(cwd=folder, env={"VELOCEM_PORT": "0", "VELOCEM_ACCESS_LOG": "no"}) as process:
        with Client(process.address) as client:
            assert client.ask(request()).status == 200
        process.send(signal.SIGTERM)
        assert process.wait() == 0
        assert process.output == []


def test_requests_are_logged_to_standard_output_unless_not_wanted(folder: Path) -> None:
    for option, lines in (("--access-log", 1), ("--no-access-log", 0)):
        with Process("site_app:app", "--port", "0", option, cwd=folder) as process:
            with Client(process.address) as client:
                client.ask(request("GET", "/logged"))
            process.send(signal.SIGTERM)
            assert process.wait() == 0
            assert len([line for line in process.output if "/logged" in line]) == lines


def test_the_log_level_silences_the_start_up_line(folder: Path) -> None:
    process = Process("site_app:app", "--port", "0", "--log-level", "error", cwd=folder)
    time.sleep(1)
    process.send(signal.SIGTERM)
    process.wait()
    assert process.errors == []


# Failures: one line each.


def test_no_application(tmp_path: Path) -> None:
    assert refused(2, cwd=tmp_path) == "no application is named, as in: velocem module:attribute"


LISTED = " (velocem --help lists the options)"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["a:b", "--prot", "1"], "--prot: no such option; did you mean --port? (velocem --help lists the options)"),
        (["a:b", "--por=1"], "--por: no such option; did you mean --port? (velocem --help lists the options)"),
        (["a:b", "--no-acces-log"], "--acces-log: no such option; did you mean --access-log?" + LISTED),
        (["a:b", "--keep-alive", "3"], "--keep-alive: no such option; did you mean --timeout-keep-alive?" + LISTED),
        (["a:b", "--zzz"], "--zzz: no such option (velocem --help lists the options)"),
        (["a:b", "c:d"], "one application at a time: c:d (velocem --help lists the options)"),
        (["a:b", "--port"], "argument --port: expected one argument (velocem --help lists the options)"),
        (["a:b", "--port", "x"], "--port: 'x' is not a whole number from 0 to 65535"),
        (["a:b", "--timeout-header=-1"], "--timeout-header: '-1' is not a number of seconds from 0 to 604800"),
        (
            ["a:b", "--loop", "uvloop"],
            (
                "--loop: uvloop cannot serve: connections are watched by Velocem's own event loop, "
                "and applications run on it"
            ),
        ),
        (["a:b", "-w", "x"], "--workers: 'x' is not a whole number from 0 to 1000"),
        (["a:b", "-b", "/run/a"], f"--bind: '/run/a' is not {FORMS}"),
        (["a:b", "--fd", "3", "--port", "1"], "--port and --fd exclude each other; --bind takes several places"),
        (["app"], "'app' is not of the form module:attribute"),
        (["app.py"], "'app.py' names a file; give a module and an attribute, as app:app"),
    ],
)
def test_a_bad_option(arguments: list[str], line: str, tmp_path: Path) -> None:
    assert refused(2, *arguments, cwd=tmp_path) == line


def test_a_bad_variable_or_key(tmp_path: Path) -> None:
    assert refused(2, "a:b", cwd=tmp_path, env={"VELOCEM_SSL_KEYFILE": "key"}) == (
        "VELOCEM_SSL_KEYFILE is not available in this version"
    )
    (tmp_path / "pyproject.toml").write_text("[tool.velocem]\nlimit_boddy = 1\n")
    assert (
        refused(2, "a:b", cwd=tmp_path)
        == "[tool.velocem] limit-boddy: no such option; did you mean [tool.velocem] limit-body?"
    )


@pytest.mark.parametrize(
    ("target", "line"),
    [
        ("no_such_module:app", "no module named 'no_such_module', looking for 'no_such_module:app'"),
        ("site_app:gone", "'site_app' has no attribute 'gone', looking for 'site_app:gone'"),
        ("site_app:number", "'site_app:number' is not callable: it is of type int"),
    ],
)
def test_an_application_that_cannot_be_served(target: str, line: str, folder: Path) -> None:
    assert refused(3, target, cwd=folder) == line


def test_an_address_in_use(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert refused(3, "site_app:app", "--port", str(port), cwd=folder) == (
            f"cannot listen on 127.0.0.1:{port}: the address is in use"
        )


def test_a_host_that_does_not_resolve(folder: Path) -> None:
    line = refused(3, "site_app:app", "--host", "no-such-host.invalid", cwd=folder)
    assert line.startswith("cannot listen on no-such-host.invalid:8000: ")


WITHOUT_PRIVILEGE = """
import ctypes, sys
from velocem.cli import main

CAP_NET_BIND_SERVICE = 10
libc = ctypes.CDLL(None)
head = (ctypes.c_uint32 * 2)(0x20080522, 0)
data = (ctypes.c_uint32 * 6)()
assert libc.capget(head, data) == 0
data[0] &= ~(1 << CAP_NET_BIND_SERVICE)
assert libc.capset(head, data) == 0
sys.exit(main(["site_app:app", "--port", "79"]))
"""


def test_a_privileged_port_without_privilege(folder: Path) -> None:
    limit = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    if limit.exists() and int(limit.read_text()) <= 79:
        pytest.skip("this machine lets everyone listen on port 79")
    line = [sys.executable, "-c", WITHOUT_PRIVILEGE]
    result = subprocess.run(line, env=environment(), capture_output=True, text=True, check=False, cwd=folder)
    assert result.returncode == 3, result.stderr
    assert result.stderr == (
        "velocem: error: cannot listen on 127.0.0.1:79: "
        "permission denied (a port below 1024 needs root or CAP_NET_BIND_SERVICE)\n"
    )


def test_an_exception_in_the_module_shows_the_users_traceback(folder: Path) -> None:
    (folder / "broken.py").write_text("import site_app\n\ndef f():\n    import no_such_dependency\n\nf()\n")
    result = command("broken:app", cwd=folder)
    assert result.returncode == 3
    lines = result.stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert len([line for line in lines if line.startswith("  File ")]) == 2
    assert lines[-2] == "ModuleNotFoundError: No module named 'no_such_dependency'"
    assert lines[-1] == "velocem: error: importing 'broken' failed"


# Looking at the configuration.


def test_the_configuration_is_printed_with_where_it_comes_from(folder: Path) -> None:
    (folder / "pyproject.toml").write_text('[tool.velocem]\napp = "site_app:app"\nport = 1\nbody-memory = "64k"\n')
    env = {"VELOCEM_HOST": "::1", "WEB_CONCURRENCY": "3"}
    result = command("--print-config", "--port", "0", "--no-date-header", cwd=folder, env=env)
    assert result.returncode == 0
    assert result.stderr == ""
    got = dict(line.removeprefix("# ").split(" = ", 1) for line in result.stdout.splitlines()[1:])
    assert set(got) == {name.replace("_", "-") for name in TABLE}
    told = {name: tuple(part.strip() for part in line.split("  # ")) for name, line in got.items()}
    assert told["app"] == ('"site_app:app"', "[tool.velocem] app")
    assert told["port"] == ("0", "--port")
    assert told["host"] == ('"::1"', "VELOCEM_HOST")
    assert told["workers"] == ("3", "WEB_CONCURRENCY")
    assert told["date-header"] == ("false", "--date-header")
    assert told["body-memory"] == ("65536", "[tool.velocem] body-memory")
    assert told["access-log"] == ("true", "default")


def test_what_is_printed_is_a_configuration(folder: Path) -> None:
    printed = command("--print-config", "--workers", "2", "--bind", "unix:a", "-b", ":80", cwd=folder).stdout
    (folder / "pyproject.toml").write_text(printed)
    again = command("--print-config", cwd=folder).stdout
    assert [line.split("  #")[0].strip() for line in again.splitlines()] == [
        line.split("  #")[0].strip() for line in printed.splitlines()
    ]


def test_the_configuration_is_checked_with_the_application(folder: Path) -> None:
    result = command("site_app:app", "--check-config", cwd=folder)
    assert (result.returncode, result.stdout, result.stderr) == (0, "site_app:app can be served\n", "")
    assert refused(3, "site_app:gone", "--check-config", cwd=folder).startswith("'site_app' has no attribute 'gone'")
    assert refused(2, "site_app:app", "--check-config", "--port", "x", cwd=folder).startswith("--port: 'x' is not")


# Signals.


def test_interrupt_stops_at_once_while_idle(folder: Path) -> None:
    with Process("site_app:app", "--port", "0", cwd=folder) as process, Client(process.address) as client:
        client.ask(request())
        started = time.monotonic()
        process.send(signal.SIGINT)
        assert process.wait() == 0
        assert time.monotonic() - started < 5
        assert "Traceback" not in "".join(process.errors)
        assert process.errors[-1] == "INFO:     Velocem stopped\n"


def test_interrupt_stops_at_once_while_the_application_works(folder: Path) -> None:
    with Process("site_app:app", "--port", "0", cwd=folder) as process, Client(process.address) as client:
        client.send(request("GET", "/sleep"))
        wait_for(folder / "entered")
        started = time.monotonic()
        process.send(signal.SIGINT)
        assert process.wait() == 0
        assert time.monotonic() - started < 5
        assert "Traceback" not in "".join(process.errors)


def test_terminate_lets_the_request_finish(folder: Path) -> None:
    with Process("site_app:app", "--port", "0", cwd=folder) as process, Client(process.address) as client:
        client.send(request("GET", "/slow"))
        wait_for(folder / "entered")
        process.send(signal.SIGTERM)
        assert client.read().status == 200
        assert process.wait() == 0


def test_terminate_closes_idle_connections(folder: Path) -> None:
    with Process("site_app:app", "--port", "0", cwd=folder) as process, Client(process.address) as client:
        client.ask(request())
        process.send(signal.SIGTERM)
        assert client.is_closed()
        assert process.wait() == 0


ASYNC = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})
"""


@pytest.mark.parametrize("workers", ["0", "1"])
@pytest.mark.parametrize("app", ["site_app:app", "async_app:app"])
def test_with_nobody_to_wait_for_it_ends_at_once(app: str, workers: str, folder: Path) -> None:
    (folder / "async_app.py").write_text(ASYNC)
    options = ("--port", "0", "--workers", workers, "--timeout-graceful-shutdown", "100")
    with Process(app, *options, cwd=folder) as process:
        with Client(process.address) as client:
            client.ask(request())
        process.send(signal.SIGTERM)
        assert process.wait(40) == 0


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_does_not_wait(second: signal.Signals, folder: Path) -> None:
    with Process("site_app:app", "--port", "0", cwd=folder) as process, Client(process.address) as client:
        client.send(request("GET", "/sleep"))
        wait_for(folder / "entered")
        process.send(signal.SIGTERM)
        time.sleep(0.3)
        assert process.popen.poll() is None
        process.send(second)
        assert process.wait(10) == 0


def test_an_application_error_is_logged_with_its_traceback(folder: Path) -> None:
    with Process("site_app:app", "--port", "0", cwd=folder) as process, Client(process.address) as client:
        assert client.ask(request("GET", "/fail")).status == 500
        process.send(signal.SIGTERM)
        process.wait()
        log = "".join(process.errors)
        assert "ERROR:    " in log
        assert "KeyError: 'in the application'" in log
        assert "site_app.py" in log


RESTORE = """
import os, signal, threading, velocem
def mine(*_): ...
signal.signal(signal.SIGTERM, mine)
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job starts with it ignored
threading.Timer(0.7, os.kill, (os.getpid(), signal.SIGINT)).start()
velocem.run(lambda environ, start_response: [], port=0)
assert signal.getsignal(signal.SIGTERM) is mine
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
assert signal.set_wakeup_fd(-1) == -1
print("restored")
"""


def test_run_returns_with_signals_as_they_were(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", RESTORE],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.stdout == "restored\n", result.stderr
