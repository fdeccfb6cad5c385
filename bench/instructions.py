"""Counts the instructions that Velocem spends on a request, in user space, and names the functions that spend them.

The server runs under callgrind. It is warmed up, then counts while a client sends rounds of requests over some
connections: as many as are ready at once, as under load. The count repeats to a few instructions.
"""

import argparse
import bisect
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import scenarios
import servers
from entrants import everyone
from install import ROOT, install
from scenarios import Scenario

START_SECONDS = 60
DEFINITION = re.compile(r"^(?!#|typedef|struct \w+ \{|enum|static const|extern|__attribute__)\w[^;={]*?(\w+)\(.*")
# What link-time optimisation adds to a name.
CLONE = re.compile(r"(\.(lto_priv|constprop|isra|part|cold)(\.\d+)?)+$")


@dataclass
class Profile:
    """Instructions by function: its own, and with what it calls."""

    own: Counter[str] = field(default_factory=Counter)
    inclusive: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    callers: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    objects: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        return sum(self.own.values())


class Sources:
    """The function of ours that a line belongs to: the compiler inlines most of them into a few symbols."""

    def __init__(self) -> None:
        self.starts: dict[str, list[tuple[int, str]]] = {}

    def read(self, path: Path) -> list[tuple[int, str]]:
        found = []
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if (match := DEFINITION.match(line)) and not line.rstrip().endswith(";"):
                found.append((number, match[1]))
        return found

    def function_of(self, file: str, line: int) -> str | None:
        at = file.find("/src/")
        path = ROOT / file[at + 1 :]
        if at < 0 or path.suffix not in (".c", ".h") or not path.is_file():
            return None
        starts = self.starts.setdefault(file, self.read(path) if file not in self.starts else [])
        index = bisect.bisect_right(starts, (line, "~"))
        return f"{starts[index - 1][1]} ({path.relative_to(ROOT / 'src')})" if index else path.name


class Reader:
    """Reads callgrind's output, written without compressed names or positions."""

    def __init__(self, path: Path) -> None:
        self.profile = Profile()
        self.sources = Sources()
        self.function = self.file = self.callee = self.object = ""
        self.is_call = False
        for line in path.read_text(errors="replace").splitlines():
            self.take(line)

    def take(self, line: str) -> None:
        key, _, value = line.partition("=")
        if key == "fn":
            self.function = CLONE.sub("", value.partition("'")[0])
        elif key in ("fl", "fi", "fe"):
            self.file = value
        elif key == "ob":
            self.object = Path(value).name
        elif key == "cfn":
            self.callee = CLONE.sub("", value.partition("'")[0])
        elif key == "calls":
            self.is_call = True
            count = int(line.partition("=")[2].split()[0])
            self.profile.calls[self.callee] += count
            self.profile.callers[self.callee][self.function] += count
        elif line[:1].isdigit():
            self.cost(*map(int, line.split()[:2]))

    def cost(self, line: int, count: int) -> None:
        if self.is_call:
            self.is_call = False
            if self.callee != self.function:
                self.profile.inclusive[self.function] += count
            return
        self.profile.own[self.sources.function_of(self.file, line) or self.function] += count
        self.profile.inclusive[self.function] += count
        self.profile.objects[self.object] += count


def toggle(pid: int, state: str) -> None:
    subprocess.run(["callgrind_control", "-i", state, str(pid)], check=True, capture_output=True)


def answer_size(sock: socket.socket, request: bytes) -> int:
    sock.sendall(request)
    time.sleep(0.5)
    return len(sock.recv(1 << 20))


def exchange(socks: list[socket.socket], request: bytes, size: int, rounds: int) -> None:
    """Each round: a request on every connection, then every answer."""
    for _ in range(rounds):
        for sock in socks:
            sock.sendall(request)
        for sock in socks:
            left = size
            while left > 0:
                left -= len(sock.recv(left))


def wait_for(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise SystemExit("instructions: the server did not listen")


def profile(scenario: Scenario, python: Path, options: argparse.Namespace) -> tuple[Profile, float]:
    """With the number of requests that it is for."""
    port = servers.free_port()
    velocem = everyone()["velocem"]
    command = servers.fill_in(velocem, scenario, port, python, Path(), Path())
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind"
        tool = ("valgrind", "--tool=callgrind", "--instr-atstart=no", "--compress-strings=no", "--compress-pos=no")
        # The hash of strings decides about collisions in dicts: fixed, or the count wanders.
        env = dict(os.environ, PYTHONHASHSEED="0")
        if options.package:
            env["PYTHONPATH"] = str(options.package.resolve())
        process = subprocess.Popen(
            [*tool, f"--callgrind-out-file={out}", *command], cwd=velocem.folder, env=env, stderr=subprocess.DEVNULL
        )
        try:
            wait_for(port)
            request = scenario.one(f"127.0.0.1:{port}") * scenario.together
            socks = [socket.create_connection(("127.0.0.1", port)) for _ in range(options.connections)]
            size = answer_size(socks[0], request)
            exchange(socks, request, size, 20)
            toggle(process.pid, "on")
            exchange(socks, request, size, 20)  # what is counted starts after the translation of the code
            subprocess.run(["callgrind_control", "-z", str(process.pid)], check=True, capture_output=True)
            exchange(socks, request, size, options.rounds)
            toggle(process.pid, "off")
            for sock in socks:
                sock.close()
        finally:
            process.terminate()
            process.wait(START_SECONDS)
        return Reader(out).profile, options.rounds * len(socks) * scenario.together


def show(scenario: Scenario, taken: Profile, requests: float, top: int) -> None:
    print(f"\n{scenario.title}: {taken.total / requests:,.0f} instructions per request")
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
    parser.add_argument("--scenario", default="hello,headers")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--top", type=int, default=40)
    parser.add_argument("--package", type=Path, help="folder of a built velocem package, instead of building the tree")
    parser.add_argument("--python", type=Path, help="the interpreter that --package was built for")
    options = parser.parse_args()
    python = (options.python or Path(sys.executable)) if options.package else install(everyone()["velocem"])
    for name in options.scenario.split(","):
        scenario = scenarios.BY_NAME[name]
        show(scenario, *profile(scenario, python, options), options.top)
    return 0


if __name__ == "__main__":
    sys.exit(main())
