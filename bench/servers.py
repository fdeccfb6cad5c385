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
from asked import Scenario
from entrants import Entrant
from install import UnavailableError, reason_of

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
    front: "subprocess.Popen[bytes] | None" = None  # nginx, which listens on the port then
    inner: tuple[str, int] | str = ""  # where it passes on to

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

    @property
    def processes(self) -> "list[subprocess.Popen[bytes]]":
        return [self.process, self.front] if self.front else [self.process]

    def tree(self) -> list[int]:
        """The processes whose cost is counted."""
        counted = self.processes if self.entrant.whole else [self.process]
        return [pid for process in counted for pid in tree_of(process.pid)]

    def changed(self) -> bool:
        """Whether it consists of other processes than before; from now on those are its."""
        before, self.pids = self.pids, self.tree()
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

    @property
    def static(self) -> Path:
        """A folder of files that are served: 10k.bin, and 10m.bin, which is the file."""
        return self.folder / "static"


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


def floor_options(scenario: Scenario, place: Place, request_size: int, *, fronted: bool) -> list[str]:
    """How the floor answers the same."""
    load = scenario.load
    assert load is not None
    if load.way == "echo":
        return ["--echo"]
    options = ["--type", scenario.answer.content_type]
    body = ["--body", str(body_file(scenario, place))]
    files = {"file": place.file, "folder": place.static / f"{scenario.name.removeprefix('static-')}.bin"}
    options += ["--file", str(files[scenario.app])] if scenario.app in files else body
    if fronted:  # nginx sends a request as it likes, and reads an answer to the end of the connection
        return [*options, "--close"]
    if load.way == "websocket":
        options += ["--websocket", "--request-size", str(load.frame_size())]
    elif load.together > 1 or scenario.has_body():
        options += ["--request-size", str(request_size)]
    return options if load.keep_alive else [*options, "--close"]


def fill_in(words: Iterable[str], values: Mapping[str, object]) -> list[str]:
    pattern = re.compile("|".join(re.escape("{" + name + "}") for name in values))
    return [pattern.sub(lambda match: str(values[match[0][1:-1]]), word) for word in words]


def socket_path(place: Place, port: int) -> Path:
    return place.folder / f"{port}.sock"


def command_of(
    entrant: Entrant, scenario: Scenario, place: Place, python: Path, port: int, seconds: float
) -> list[str]:
    values = {
        "python": python,
        "programs": python.parent,
        "limit": place.limit,
        "app": scenario.app,
        "port": port,
        "socket": socket_path(place, port),
        "static": place.static,
        "size": scenario.size,
        "threads": scenario.threads or entrant.threads,
        "seconds": seconds,
    }
    command = fill_in(entrant.command, values)
    if entrant.interface == "limit":
        request_size = scenario.request_size(f"127.0.0.1:{port}")
        command += floor_options(scenario, place, request_size, fronted=bool(entrant.front))
    return command


def environment(entrant: Entrant, scenario: Scenario, place: Place) -> dict[str, str]:
    own = {"BENCH_FILE": str(place.file), "BENCH_STATIC": str(place.static), "BENCH_SIZE": str(scenario.size)}
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
    server = Server(entrant, key_of(entrant, scenario), port, process, log, began)
    return put_nginx_before(server, place) if entrant.front else server


# One worker, on the server's core. It keeps as many connections to the server as there are clients.
NGINX = """
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream app {{
        server {inner};
        {keepalive}
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            {pass_on}
        }}
    }}
}}
"""
KEEPALIVE = "keepalive 128; keepalive_requests 1000000000;"
PASS_ON = {
    "http": 'proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection "";'
    " proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr;"
    " proxy_set_header X-Forwarded-Proto $scheme;",
    "uwsgi": "include /etc/nginx/uwsgi_params; uwsgi_pass app;",
}


def put_nginx_before(server: Server, place: Place) -> Server:
    """It listens where the load comes; the server where it has been told."""
    way, unix = server.entrant.front, server.entrant.by_unix_socket
    server.inner = str(socket_path(place, server.port)) if unix else ("127.0.0.1", server.port)
    server.port = free_port()
    folder = Path(tempfile.mkdtemp(dir=place.folder, prefix="nginx-"))
    text = NGINX.format(
        user="user root;" if os.geteuid() == 0 else "",
        folder=folder,
        inner=f"unix:{server.inner}" if unix else "{}:{}".format(*server.inner),
        port=server.port,
        keepalive=KEEPALIVE if way == "http" else "",
        pass_on=PASS_ON[way],
    )
    (folder / "nginx.conf").write_text(text)
    command = ["/usr/sbin/nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    try:
        server.front = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=server.log,
            stderr=server.log,
            preexec_fn=lambda: settle(frozenset({place.core})),  # noqa: PLW1509 - no thread of ours is running
            start_new_session=True,
        )
    except OSError:
        stop([server])
        raise
    return server


def wait_until_right(server: Server, scenario: Scenario) -> None:
    """Listening and answering right, or UnavailableError. A router may listen before its worker does."""
    began = time.monotonic()
    if server.inner:
        wait_until_it_listens(server, began + START_SECONDS, server.inner)
    wait_until_it_listens(server, began + START_SECONDS, ("127.0.0.1", server.port))
    while True:
        try:
            server.body = check(server.port, scenario, server.entrant)
        except WrongError as error:
            if server.process.poll() is not None or time.monotonic() > began + RIGHT_SECONDS:
                raise UnavailableError(server.death() or f"wrong: {error}") from error
            time.sleep(0.1)
        else:
            break
    server.pids = server.tree()


def connect(place: tuple[str, int] | str) -> None:
    with socket.socket(socket.AF_UNIX if isinstance(place, str) else socket.AF_INET) as sock:
        sock.settimeout(1)
        sock.connect(place)


def wait_until_it_listens(server: Server, deadline: float, place: tuple[str, int] | str) -> None:
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise UnavailableError(f"it did not start: {reason_of(server.said())}")
        try:
            connect(place)
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


def signal_all(server: Server, number: int) -> None:
    for process in server.processes:
        kill(process, number)


def stop(servers: Iterable[Server]) -> None:
    """All at once: some take their time."""
    stopping = list(servers)
    for server in stopping:
        signal_all(server, signal.SIGTERM)
        signal_all(server, signal.SIGCONT)
    deadline = time.monotonic() + STOP_SECONDS
    for server in stopping:
        for process in server.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
            kill(process, signal.SIGKILL)  # also what is left of the group
            process.wait()
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
            signal_all(server, signal.SIGSTOP)

    def resume(self) -> None:
        for server in self.up.values():
            signal_all(server, signal.SIGCONT)

    @contextlib.contextmanager
    def turn(self, server: Server) -> Iterator[None]:
        signal_all(server, signal.SIGCONT)
        try:
            yield
        finally:
            signal_all(server, signal.SIGSTOP)

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
