"""Real servers of databases, each with a data folder of its own that goes with it."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

SECONDS = 60


class Database(NamedTuple):
    """Where a server listens: a folder or file of a Unix socket, and a port of 127.0.0.1."""

    path: str
    port: int


def environment() -> dict[str, str]:
    """Without a sanitizer's runtime, which is for our own process."""
    return {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def program(name: str) -> str:
    """Debian keeps those of PostgreSQL in a folder of the version."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    found = str(versions[0]) if versions else shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is not there: tools/setup_debian.sh test names its Debian package")
    return found


def user_for_postgres() -> str | None:
    """It refuses to be root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@contextmanager
def folder_of(user: str | None) -> Iterator[Path]:
    """Not below pytest's folder: a Unix socket's name is short, and other users may not go there."""
    with tempfile.TemporaryDirectory(prefix="velocem.", dir="/tmp") as name:
        folder = Path(name)
        if user is not None:
            entry = pwd.getpwnam(user)
            os.chown(folder, entry.pw_uid, entry.pw_gid)
        yield folder


@contextmanager
def running(command: list[str], folder: Path, user: str | None, ready: Callable[[], bool]) -> Iterator[None]:
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output, user=user, env=environment())
    try:
        deadline = time.monotonic() + SECONDS
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{command[0]} did not start: {log.read_text()}")
            time.sleep(0.05)
        yield
    finally:
        process.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown, and Redis's
        try:
            process.wait(SECONDS)
        finally:
            process.kill()
            process.wait()


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@contextmanager
def postgres() -> Iterator[Database]:
    user = user_for_postgres()
    with folder_of(user) as folder:
        data = folder / "data"
        initdb = [program("initdb"), "-D", str(data), "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(initdb, cwd=folder, user=user, env=environment(), check=True, capture_output=True)
        port = free_port()
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": str(folder),
            "fsync": "off",
            "shared_buffers": "16MB",
        }
        command = [program("postgres"), "-D", str(data)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        asks = [program("pg_isready"), "-q", "-h", str(folder), "-p", str(port)]  # it listens before it is ready

        def ready() -> bool:
            return subprocess.run(asks, env=environment(), check=False).returncode == 0

        with running(command, folder, user, ready):
            yield Database(str(folder), port)


@contextmanager
def redis() -> Iterator[Database]:
    with folder_of(None) as folder:
        port = free_port()
        path = folder / "redis.sock"
        options = {
            "bind": "127.0.0.1",
            "port": str(port),
            "unixsocket": str(path),
            "dir": str(folder),
            "save": "",
            "appendonly": "no",
        }
        command = [program("redis-server")]
        for name, value in options.items():
            command += [f"--{name}", value]
        with running(command, folder, None, lambda: path.exists() and answers(port)):
            yield Database(str(path), port)
