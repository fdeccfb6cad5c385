"""Starts an entrant on one core, checks that it answers right, and reads what it has used."""

import os
import re
import resource
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from answers import WrongError, check
from entrants import Entrant
from install import UnavailableError, reason_of
from scenarios import Scenario

START_SECONDS = 20
STOP_SECONDS = 5
ANSWER_SECONDS = 10

# The clocks of another process: its pid inverted, and one of three bits (linux/posix-timers.h).
CLOCK_ALL, CLOCK_USER, CLOCK_EXACT = 0, 1, 2


@dataclass(frozen=True)
class Used:
    """CPU seconds. The total is exact; its user and system parts are sampled by the kernel's tick."""

    total: float
    user_ticks: float
    all_ticks: float

    def __sub__(self, earlier: "Used") -> "Used":
        return Used(
            self.total - earlier.total, self.user_ticks - earlier.user_ticks, self.all_ticks - earlier.all_ticks
        )


@dataclass
class Server:
    """A started entrant."""

    entrant: Entrant
    port: int
    process: "subprocess.Popen[bytes]"
    log: IO[bytes]
    pids: list[int] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def used(self) -> Used:
        clocks = [
            sum(time.clock_gettime((~pid << 3) | which) for pid in self.pids)
            for which in (CLOCK_EXACT, CLOCK_USER, CLOCK_ALL)
        ]
        return Used(*clocks)

    def memory(self) -> int:
        """Bytes of memory, shared pages split among those who share them."""
        total = 0
        for pid in self.pids:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += sum(map(int, re.findall(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)))
        return total << 10

    def said(self) -> str:
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def stop(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
                self.process.wait(STOP_SECONDS)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        self.log.close()


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def tree_of(root: int) -> list[int]:
    """A process and all that come from it."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found = [root]
    for pid in found:
        found.extend(child for child, parent in parents.items() if parent == pid)
    return found


def settle(core: int) -> None:
    """In the child: its core, and room for ten thousand connections."""
    os.sched_setaffinity(0, {core})
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def floor_options(scenario: Scenario) -> list[str]:
    """How the floor answers the same."""
    options: list[str] = []
    if scenario.app == "file":
        options += ["--file", "{file}"]
    elif scenario.answer.content_type == "text/plain":
        options += ["--body", scenario.answer.body.decode()]
    if scenario.load and not scenario.load.keep_alive:
        options += ["--close"]
    if scenario.together > 1 or scenario.body or scenario.body_filler:
        options += ["--request-size", "{request}"]
    return options


def fill_in(entrant: Entrant, scenario: Scenario, port: int, python: Path, limit: Path, file: Path) -> list[str]:
    options = floor_options(scenario) if entrant.interface == "limit" else ()
    values = {
        "{python}": python,
        "{programs}": python.parent,
        "{limit}": limit,
        "{app}": scenario.app,
        "{port}": port,
        "{file}": file,
        "{size}": scenario.size,
        "{request}": len(scenario.one(f"127.0.0.1:{port}")),
    }
    command = []
    for word in (*entrant.command, *options):
        for name, value in values.items():
            word = word.replace(name, str(value))  # noqa: PLW2901 - each name in turn
        command.append(word)
    return command


def start(
    entrant: Entrant, scenario: Scenario, core: int, python: Path, limit: Path, file: Path, env: dict[str, str]
) -> Server:
    """Listening and checked, or UnavailableError."""
    port = free_port()
    log = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the server
    process = subprocess.Popen(
        fill_in(entrant, scenario, port, python, limit, file),
        cwd=entrant.folder if entrant.folder.is_dir() else None,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env=dict(os.environ, **env, **entrant.env, BENCH_FILE=str(file), BENCH_SIZE=str(scenario.size)),
        preexec_fn=lambda: settle(core),  # noqa: PLW1509 - no thread of ours is running
        start_new_session=True,
    )
    server = Server(entrant, port, process, log)
    try:
        wait_until_it_listens(server)
        check(port, scenario, entrant.closes)
    except UnavailableError:
        server.stop()
        raise
    except WrongError as error:
        server.stop()
        raise UnavailableError(f"wrong: {error}") from error
    server.pids = tree_of(process.pid)
    return server


def wait_until_it_listens(server: Server) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise UnavailableError(f"it did not start: {reason_of(server.said())}")
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            time.sleep(0.3)  # a router listens before its worker does
            return
    raise UnavailableError(f"it did not listen within {START_SECONDS} s: {reason_of(server.said())}")
