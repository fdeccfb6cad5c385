"""Counts the instructions that Velocem spends on a request, in user space, and names the functions that spend them.

The server runs under callgrind. It is warmed up, then counts while a client sends requests. With one connection, each
request sent when the server sleeps again, the way of a request is always the same and the count repeats; with many, as
many as are ready at once are served in one turn, as under load.
"""

import argparse
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from asked import BROWSER
from callgrind import ROOT, VALGRIND, Profile, Reader, environment, total

APPS = Path(__file__).resolve().parent / "micro"
# As make bench-count builds it.
PACKAGE = ROOT / "build" / "count" / f"py{sys.version_info.major}.{sys.version_info.minor}"
PACKAGE_HELP = "folder of a velocem package with line numbers, for this interpreter; %(default)s if not given"
START_SECONDS = 60
STOP_SECONDS = 10
ANSWER_SECONDS = 30
WARM_UP = 100
# Once a second there is a Date to render, and timers run: the median of some blocks, each much shorter, has none of it.
BLOCKS = 5
ENVIRON = ("py/wsgi/environ.c", "py/wsgi/template.c", "py/text.c", "py/text.h")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One kind of request to one application of micro/apps.py."""

    name: str
    app: str
    request: bytes
    ends: bytes  # the end of its answer
    together: int = 1  # requests in one piece, and as many answers before the next piece
    environ: bool = False  # say what its environ costs too

    @property
    def counted(self) -> list[str]:
        """The names of its counts: all there is to a request, Velocem's own code, and of all the environ."""
        return [self.name, f"{self.name}, our code", *([f"{self.name}, its environ"] if self.environ else [])]


def get(fields: str = "") -> bytes:
    return f"GET / HTTP/1.1\nHost: 127.0.0.1:8000\n{fields}\n".replace("\n", "\r\n").encode()


def at(target: str) -> bytes:
    return get().replace(b"GET / ", f"GET {target} ".encode())


POST = (
    b"POST / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n" + b"x" * 1024
)
ITEM_BODY = b'{"name": "Widget", "price": 12.5, "quantity": 3, "tags": ["red", "small"]}'
ITEM = (
    b"POST /items HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
    % (len(ITEM_BODY), ITEM_BODY)
)
HELLO = b"\r\n\r\nHello, World!"
# Those of one application follow each other: they have one server.
CASES = (
    Case(name="wsgi hello", app="hello", request=get(), ends=HELLO, environ=True),
    Case(name="wsgi 14 fields", app="hello", request=get(BROWSER), ends=HELLO, environ=True),
    Case(name="wsgi 16 pipelined", app="hello", request=get(), ends=HELLO, together=16),
    Case(name="wsgi post 1 KiB", app="post", request=POST, ends=b"\r\n\r\n1024 bytes"),
    Case(name="wsgi generator", app="generator", request=get(), ends=b"\r\n0\r\n\r\n"),
    Case(name="asgi hello", app="asgi_hello", request=get(), ends=HELLO),
    Case(name="asgi 14 fields", app="asgi_hello", request=get(BROWSER), ends=HELLO),
    Case(name="asgi 16 pipelined", app="asgi_hello", request=get(), ends=HELLO, together=16),
    Case(name="asgi post 1 KiB", app="asgi_post", request=POST, ends=b"\r\n\r\n1024 bytes"),
    Case(name="asgi sleep(0)", app="asgi_sleep", request=get(), ends=HELLO),
    Case(name="native hello", app="native", request=get(), ends=HELLO),
    Case(name="native 14 fields", app="native", request=get(BROWSER), ends=HELLO),
    Case(name="native 16 pipelined", app="native", request=get(), ends=HELLO, together=16),
    Case(name="native JSON", app="native", request=at("/json"), ends=b'World!"}'),
    Case(name="native parameters", app="native", request=at("/users/42?q=hello"), ends=b'"hello"}'),
    Case(name="native async", app="native", request=at("/async"), ends=HELLO),
    Case(name="native validated POST", app="native", request=ITEM, ends=b'"tags":2}'),
)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def serving_process(root: int) -> int:
    """A server with a supervisor serves in its youngest child."""
    children = Path(f"/proc/{root}/task/{root}/children").read_text().split()
    return int(children[-1]) if children else root


def wait_until_it_sleeps(pid: int) -> None:
    """Until it waits for events: what is sent to it before may be served in the same turn."""
    stat = Path(f"/proc/{pid}/stat")
    deadline = time.monotonic() + ANSWER_SECONDS
    while stat.read_text().rpartition(")")[2].split()[0] != "S":
        if time.monotonic() > deadline:
            raise SystemExit("instructions: the server is busy without being asked anything")
        time.sleep(0.0002)


class Server:
    """Velocem under callgrind, its counting switched from outside."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, out: Path) -> None:
        self.process = process
        self.port = port
        self.out = out
        self.pid = process.pid
        self.dumps = 0

    def tell(self, *words: str) -> None:
        done = subprocess.run(["vgdb", f"--pid={self.pid}", *words], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"instructions: callgrind cannot be told {' '.join(words)}: {done.stderr.strip()}")

    def dump(self) -> Path:
        """What was spent since the last one."""
        self.dumps += 1
        self.tell("dump")
        return self.out.with_name(f"{self.out.name}.{self.pid}.{self.dumps}")

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=ANSWER_SECONDS)

    def wait(self) -> None:
        """For an answer, as sockets may listen before a worker is forked. A refusal calls no application."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with self.connect() as sock:
                    sock.sendall(b"?\r\n\r\n")
                    sock.recv(1)
            except OSError:
                time.sleep(0.1)
            else:
                self.pid = serving_process(self.process.pid)
                return
        raise SystemExit("instructions: the server did not start")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def serve(app: str, python: Path, package: Path) -> Iterator[Server]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind"
        tool = (*VALGRIND, "--instr-atstart=no", f"--callgrind-out-file={out}.%p")
        options = ("--port", str(port), "--no-access-log", "--log-level", "error", "--lifespan", "off")
        process = subprocess.Popen(
            [*tool, python, "-m", "velocem", f"apps:{app}", *options],
            cwd=APPS,
            env=dict(environment(), PYTHONPATH=str(package.resolve())),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        server = Server(process, port, out)
        try:
            server.wait()
            yield server
        finally:
            server.stop()


def answer(sock: socket.socket, case: Case) -> None:
    """Reads what one sending brings, and sees that it is all there and right."""
    data = b""
    while data.count(case.ends) < case.together:
        if not (piece := sock.recv(1 << 16)):
            raise SystemExit(f"instructions: {case.name}: the connection was closed after {data!r}")
        data += piece
    if data.count(b"HTTP/1.1 200 OK\r\n") != case.together or not data.endswith(case.ends):
        raise SystemExit(f"instructions: {case.name}: wrong answer {data!r}")


def exchange(server: Server, socks: list[socket.socket], case: Case, rounds: int) -> None:
    """Each round: the requests on every connection, then every answer."""
    for _ in range(rounds):
        wait_until_it_sleeps(server.pid)
        for sock in socks:
            sock.sendall(case.request * case.together)
        for sock in socks:
            answer(sock, case)


def profile(server: Server, case: Case, connections: int, rounds: int) -> tuple[Profile, int]:
    """With the number of requests that it is for."""
    socks = [server.connect() for _ in range(connections)]
    server.tell("instrumentation", "on")
    exchange(server, socks, case, WARM_UP)  # so that the translation of the code is not counted
    server.dump()  # callgrind's "zero" would leave in the next dump's lines what its sum does not know of
    dumps = []
    for _ in range(BLOCKS):
        exchange(server, socks, case, rounds)
        dumps.append(server.dump())
    server.tell("instrumentation", "off")
    for sock in socks:
        sock.close()
    middle = statistics.median_low(map(total, dumps))
    dump = next(dump for dump in dumps if total(dump) == middle)
    return Reader(dump).profile, rounds * connections * case.together


def counts(case: Case, taken: Profile, requests: int) -> dict[str, int]:
    """What is kept of a profile, for one request."""
    core = sum(count for name, count in taken.objects.items() if name.startswith("_core"))
    spent = (taken.total, core, taken.spent_by(*ENVIRON))
    return {name: round(count / requests) for name, count in zip(case.counted, spent, strict=False)}


def show(case: Case, taken: Profile, requests: int, top: int) -> None:
    print(f"\n{case.name}: {taken.total / requests:,.0f} instructions per request")
    print(", ".join(f"{name} {count / requests:,.0f}" for name, count in taken.objects.most_common(4)))
    print(f"\n{'own':>9}  {'':>5}  function or symbol")
    for name, count in taken.own.most_common(top):
        print(f"{count / requests:9,.1f}  {count / taken.total:5.1%}  {name}")
    print(f"\n{'inclusive':>9}  {'calls':>5}  symbol <- called by, times")
    for name, count in taken.inclusive.most_common(top):
        by = ", ".join(f"{who} {n / requests:.3g}" for who, n in taken.callers[name].most_common(4))
        print(f"{count / requests:9,.1f}  {taken.calls[name] / requests:5.2f}  {name}  <- {by}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", help=f"of {', '.join(case.name for case in CASES)}; all if none is given")
    parser.add_argument("--package", type=Path, default=PACKAGE, help=PACKAGE_HELP)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--top", type=int, default=40)
    options = parser.parse_args()
    for case in CASES:
        if case.name in options.cases or not options.cases:
            with serve(case.app, Path(sys.executable), options.package) as server:
                show(case, *profile(server, case, options.connections, options.rounds), options.top)
    return 0


if __name__ == "__main__":
    sys.exit(main())
