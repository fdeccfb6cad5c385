"""Measures Velocem beside other servers: CPU time per request in interleaved rounds, as a ratio inside each round.

On a shared machine the cost of a system call swings by half within minutes. So every server is up all the time, each
gets one second of load in turn, what it used is divided by what the floor used in the same round, and the median over
the rounds is shown. Idle servers wait in epoll and cost nothing.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import memory
import report
import scenarios
import servers
from entrants import Entrant, everyone
from install import ROOT, UnavailableError, install, reason_of
from scenarios import Scenario
from servers import Server

HERE = Path(__file__).resolve().parent
DRAIN = 0.02  # seconds in which a server closes the connections of a round


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenario", default="all", help="names with commas: " + ",".join(scenarios.BY_NAME))
    parser.add_argument("--entrants", default="all", help="names with commas: " + ",".join(everyone()))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--connections", type=int, default=5000, help="of the memory scenario")
    parser.add_argument("--limit", type=Path, default=ROOT / "build" / "bench" / "bench" / "limit")
    parser.add_argument("--package", type=Path, help="folder of a built velocem package, instead of building the tree")
    parser.add_argument("--python", type=Path, help="the interpreter that --package was built for")
    parser.add_argument("--output", type=Path, default=HERE / "results")
    return parser.parse_args()


def chosen(names: str, known: Mapping[str, Any]) -> dict[str, Any]:
    wanted = list(known) if names == "all" else names.split(",")
    if unknown := set(wanted) - set(known):
        raise SystemExit(f"bench: there is no {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
    return {name: known[name] for name in known if name in wanted}


def two_cores() -> tuple[int, int]:
    """The server's and the client's."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("bench: it takes two cores, one for the server and one for the client")
    return cores[0], cores[1]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Bench:
    """One run: which servers can be had, how they are started, what came out."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options = options
        self.core, client = two_cores()
        os.sched_setaffinity(0, {client})
        self.file = folder / "file"
        self.file.write_bytes(scenarios.FILLER * scenarios.FILE_SIZE)
        self.request = folder / "request"
        self.pythons: dict[str, Path] = {}
        self.unavailable: dict[str, str] = {}

    def install(self, entrants: dict[str, Entrant]) -> None:
        for name, entrant in entrants.items():
            try:
                own = name == "velocem" and self.options.package
                self.pythons[name] = (self.options.python or Path(sys.executable)) if own else install(entrant)
            except UnavailableError as error:
                self.unavailable[name] = str(error)
                say(f"{name} cannot be had: {error}")

    def start(self, entrant: Entrant, scenario: Scenario) -> Server:
        env = {}
        if entrant.name == "velocem" and self.options.package:
            env["PYTHONPATH"] = str(self.options.package.resolve())
        python, limit = self.pythons[entrant.name], self.options.limit
        return servers.start(entrant, scenario, self.core, python, limit, self.file, env)

    def start_all(self, entrants: dict[str, Entrant], scenario: Scenario) -> tuple[list[Server], dict[str, str]]:
        started, missing = [], {}
        for name, entrant in entrants.items():
            if name not in self.pythons or (not scenario.takes(entrant)):
                continue
            try:
                started.append(self.start(entrant, scenario))
            except UnavailableError as error:
                missing[name] = str(error)
                say(f"{scenario.name}: {name} left out: {error}")
        return started, missing

    def load(self, server: Server, scenario: Scenario) -> dict[str, float]:
        """One second of wrk, and what the server used meanwhile."""
        assert scenario.load
        self.request.write_bytes(scenario.one(server.host) * scenario.together)
        command = [
            "wrk",
            "-t1",
            f"-c{scenario.load.connections}",
            "-d1s",
            "--timeout",
            "5s",
            "-s",
            str(HERE / "load.lua"),
        ]
        before = server.used()
        result = subprocess.run(
            [*command, f"http://{server.host}/", "--", str(self.request)], capture_output=True, text=True, check=False
        )
        if result.returncode != 0:
            raise UnavailableError(f"wrk: {reason_of(result.stdout + result.stderr)}")
        time.sleep(DRAIN)
        used = server.used() - before
        counts = json.loads(result.stdout.splitlines()[-1])
        units = scenario.units(counts["requests"], counts["bytes"])
        if units == 0 or counts["status"] > 0:
            raise UnavailableError(f"wrong: {counts['requests']} answers in a second, {counts['status']} not 2xx")
        us = used.total / units * 1e6
        user = us * used.user_ticks / used.all_ticks if used.all_ticks > 0 else 0.0
        return {"us": us, "user": user, "rate": units / (counts["us"] / 1e6), "errors": counts["errors"]}

    def rounds(self, scenario: Scenario, running: list[Server], missing: dict[str, str]) -> dict[str, list[Any]]:
        samples: dict[str, list[Any]] = {server.entrant.name: [] for server in running}
        for number in range(self.options.rounds + 1):
            for server in running:
                name = server.entrant.name
                if name in missing:
                    continue
                try:
                    sample = self.load(server, scenario)
                except (UnavailableError, OSError) as error:
                    missing[name] = f"in round {number}: {error}"
                    continue
                if number > 0:  # the first warms caches and is not counted
                    samples[name].append(sample)
            say(f"{scenario.name}: round {number} of {self.options.rounds}")
        return {name: taken for name, taken in samples.items() if name not in missing}

    def measure(self, scenario: Scenario, entrants: dict[str, Entrant]) -> dict[str, Any]:
        running, missing = self.start_all(entrants, scenario)
        try:
            samples = self.rounds(scenario, running, missing)
        finally:
            for server in running:
                server.stop()
        return {"title": scenario.title, "unit": scenario.unit, "samples": samples, "left_out": missing}

    def measure_memory(self, scenario: Scenario, entrants: dict[str, Entrant]) -> dict[str, Any]:
        """Each alone: a process that has served nothing yet, then its idle connections."""
        sizes: dict[str, float] = {}
        missing: dict[str, str] = {}
        for name, entrant in entrants.items():
            running, left_out = self.start_all({name: entrant}, scenario)
            missing.update(left_out)
            for server in running:
                try:
                    sizes[name] = memory.per_connection(server, scenario, self.options.connections)
                except (UnavailableError, OSError) as error:
                    missing[name] = str(error)
                finally:
                    server.stop()
        return {"title": scenario.title, "unit": scenario.unit, "bytes": sizes, "left_out": missing}


def main() -> int:
    options = parse()
    wanted = chosen(options.scenario, scenarios.BY_NAME)
    entrants = chosen(options.entrants, everyone())
    if not options.limit.exists():
        raise SystemExit(f"bench: {options.limit} is not built (meson setup -Dbench=true)")
    # /dev/shm: the file that is served, and the log of each server, never wait for a disk.
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        bench = Bench(options, Path(folder))
        bench.install(entrants)
        say(f"about {len(bench.pythons) * (options.rounds + 2) * 1.2 * len(wanted) / 60:.0f} minutes")
        results = {}
        for name, scenario in wanted.items():
            way = scenario.load.way if scenario.load else None
            if way not in {"closed", "memory"}:
                continue
            measure = bench.measure_memory if way == "memory" else bench.measure
            results[name] = measure(scenario, entrants)
            print(report.table(results[name]), flush=True)
    document = report.document(results, bench.unavailable, {n: str(p) for n, p in bench.pythons.items()})
    print(report.write(document, options.output))
    return 0


if __name__ == "__main__":
    sys.exit(main())
