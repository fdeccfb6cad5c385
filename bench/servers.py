"""Starts entrants on one core, waits until they answer right, weighs and stops them."""

import contextlib
import os
import re
import resource
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from answers import WrongError, check
from entrants import Entrant
from install import UnavailableError, reason_of
from scenarios import Scenario

CLOCK_EXACT = 2
START_SECONDS = 20
RIGHT_SECONDS = 3  # in which what listens may still answer wrong: a router is up before its worker
STOP_SECONDS = 3
LOOK_SECONDS = 0.002  # between two looks whether a server listens


@dataclass
class Server:
    """A started entrant."""

    entrant: Entrant
    key: tuple[object, ...]  # what it was started for; another scenario with the same may use it
    port: int
    process: "subprocess.Popen[bytes]"
    log: IO[bytes]
    began: float  # time.monotonic()
    pids: list[int] = field(default_factory=list)
    body: bytes = b""  # of its right answer

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def memory(self) -> int:
        """Bytes of memory, shared pages split among those who share them; of a process that has ended none."""
        total = 0
        for pid in self.pids:
            try:
                text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:
                continue
            total += sum(map(int, re.findall(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)))
        return total << 10

    def cpu(self) -> float:
        """Seconds. The clock of another process is its pid inverted, and the kind of clock (linux/posix-timers.h)."""
        return sum(time.clock_gettime((~pid << 3) | CLOCK_EXACT) for pid in self.pids)

    def changed(self) -> bool:
        """Whether it consists of other processes than before; from now on those are its."""
        before, self.pids = self.pids, tree_of(self.process.pid)
        return sorted(before) != sorted(self.pids)

    def said(self) -> str:
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def death(self) -> str | None:
        """How it ended, if it has."""
        status = self.process.poll()
        return None if status is None else f"it ended with status {status}: {reason_of(self.said())}"


@dataclass(frozen=True)
class Place:
    """Where the entrants run and what the machine lends them."""

    core: int  # of the servers
    cores: frozenset[int]  # all
    limit: Path  # the program that is the floor
    folder: Path  # in memory: the served file and the bodies
    file: Path  # that is served
    env: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # by entrant, added to what it asks for


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


def settle(cores: frozenset[int]) -> None:
    """In the child: its cores, and room for ten thousand connections."""
    os.sched_setaffinity(0, cores)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def body_file(scenario: Scenario, place: Place) -> Path:
    """The body that must come back, for the floor and for the load generator."""
    path = place.folder / f"{scenario.name}.body"
    if not path.exists():
        path.write_bytes(scenario.answer_body())
    return path


def floor_options(scenario: Scenario, place: Place, request_size: int) -> list[str]:
    """How the floor answers the same."""
    load = scenario.load
    assert load is not None
    if load.way == "echo":
        return ["--echo"]
    options = ["--type", scenario.answer.content_type]
    options += ["--file", str(place.file)] if scenario.app == "file" else ["--body", str(body_file(scenario, place))]
    if load.way == "websocket":
        options += ["--websocket", "--request-size", str(load.frame_size())]
    elif load.together > 1 or scenario.has_body():
        options += ["--request-size", str(request_size)]
    return options if load.keep_alive else [*options, "--close"]


def fill_in(words: Iterable[str], values: Mapping[str, object]) -> list[str]:
    pattern = re.compile("|".join(re.escape("{" + name + "}") for name in values))
    return [pattern.sub(lambda match: str(values[match[0][1:-1]]), word) for word in words]


def command_of(
    entrant: Entrant, scenario: Scenario, place: Place, python: Path, port: int, seconds: float
) -> list[str]:
    values = {
        "python": python,
        "programs": python.parent,
        "limit": place.limit,
        "app": scenario.app,
        "port": port,
        "size": scenario.size,
        "threads": scenario.threads or entrant.threads,
        "seconds": seconds,
    }
    command = fill_in(entrant.command, values)
    if entrant.interface == "limit":
        command += floor_options(scenario, place, scenario.request_size(f"127.0.0.1:{port}"))
    return command


def environment(entrant: Entrant, scenario: Scenario, place: Place) -> dict[str, str]:
    own = {"BENCH_FILE": str(place.file), "BENCH_SIZE": str(scenario.size)}
    return {**os.environ, **own, **entrant.env, **place.env.get(entrant.name, {})}


def launch(
    entrant: Entrant,
    scenario: Scenario,
    place: Place,
    python: Path,
    log: IO[bytes],
    *,
    port: int = 0,
    seconds: float = 0,
) -> "subprocess.Popen[bytes]":
    cores = place.cores if scenario.shared else frozenset({place.core})
    return subprocess.Popen(
        command_of(entrant, scenario, place, python, port, seconds),
        cwd=entrant.folder if entrant.folder.is_dir() else None,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env=environment(entrant, scenario, place),
        preexec_fn=lambda: settle(cores),  # noqa: PLW1509 - no thread of ours is running
        start_new_session=True,
    )


def key_of(entrant: Entrant, scenario: Scenario) -> tuple[object, ...]:
    """What decides how a server is started."""
    load = scenario.load
    assert load is not None
    key: tuple[object, ...] = (scenario.app, scenario.size, scenario.threads, scenario.shared)
    if entrant.interface == "limit":
        sized = load.together > 1 or scenario.has_body()
        shape = scenario.request_size("127.0.0.1:65535") if sized else 0
        key = (*key, load.way, load.size, load.keep_alive, shape, scenario.answer)
    return key


def start(entrant: Entrant, scenario: Scenario, place: Place, python: Path) -> Server:
    """Started, and perhaps not listening yet."""
    port, began = free_port(), time.monotonic()
    log = tempfile.TemporaryFile(dir=place.folder)  # noqa: SIM115 - it lives as long as the server
    try:
        process = launch(entrant, scenario, place, python, log, port=port)
    except OSError:
        log.close()
        raise
    return Server(entrant, key_of(entrant, scenario), port, process, log, began)


def wait_until_right(server: Server, scenario: Scenario) -> None:
    """Listening and answering right, or UnavailableError. A router may listen before its worker does."""
    began = time.monotonic()
    wait_until_it_listens(server, began + START_SECONDS)
    while True:
        try:
            server.body = check(server.port, scenario, server.entrant)
        except WrongError as error:
            if server.process.poll() is not None or time.monotonic() > began + RIGHT_SECONDS:
                raise UnavailableError(server.death() or f"wrong: {error}") from error
            time.sleep(0.1)
        else:
            break
    server.pids = tree_of(server.process.pid)


def wait_until_it_listens(server: Server, deadline: float) -> None:
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise UnavailableError(f"it did not start: {reason_of(server.said())}")
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
        except OSError:
            time.sleep(LOOK_SECONDS)
        else:
            return
    raise UnavailableError(f"it did not listen within {START_SECONDS} s: {reason_of(server.said())}")


def kill(process: "subprocess.Popen[bytes]", number: int) -> None:
    """The whole group: the process started a session of its own."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


def stop(servers: Iterable[Server]) -> None:
    """All at once: some take their time."""
    stopping = list(servers)
    for server in stopping:
        kill(server.process, signal.SIGTERM)
        kill(server.process, signal.SIGCONT)
    deadline = time.monotonic() + STOP_SECONDS
    for server in stopping:
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.process.wait(max(0.0, deadline - time.monotonic()))
        kill(server.process, signal.SIGKILL)  # also what is left of the group
        server.process.wait()
        server.log.close()


@dataclass
class Pool:
    """The servers that are up, kept from one scenario to the next that starts them alike."""

    place: Place
    pythons: Mapping[str, Path]
    up: dict[str, Server] = field(default_factory=dict)

    def pause(self) -> None:
        """Nobody runs but in its turn: some spin while they are idle, on the core of whoever is measured."""
        for server in self.up.values():
            kill(server.process, signal.SIGSTOP)

    def resume(self) -> None:
        for server in self.up.values():
            kill(server.process, signal.SIGCONT)

    @contextlib.contextmanager
    def turn(self, server: Server) -> Iterator[None]:
        kill(server.process, signal.SIGCONT)
        try:
            yield
        finally:
            kill(server.process, signal.SIGSTOP)

    def stop(self, names: Iterable[str]) -> None:
        stop([self.up.pop(name) for name in list(names) if name in self.up])

    def stop_all(self) -> None:
        self.stop(list(self.up))

    def serve(self, entrants: Iterable[Entrant], scenario: Scenario) -> tuple[list[Server], dict[str, str]]:
        """Those that are up and answer right, and why the others are not. All start at the same time."""
        wanted = {entrant.name: entrant for entrant in entrants}
        self.stop(
            [
                name
                for name, server in self.up.items()
                if name not in wanted
                or server.key != key_of(server.entrant, scenario)
                or server.process.poll() is not None
            ]
        )
        missing: dict[str, str] = {}
        for name, entrant in wanted.items():
            try:
                if name not in self.up:
                    self.up[name] = start(entrant, scenario, self.place, self.pythons[name])
            except OSError as error:
                missing[name] = f"it cannot be started: {error}"
        for name in [name for name in wanted if name not in missing]:
            try:
                wait_until_right(self.up[name], scenario)
            except UnavailableError as error:
                missing[name] = str(error)
                self.stop([name])
        return [self.up[name] for name in wanted if name in self.up], missing
