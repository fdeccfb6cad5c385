"""Measures Velocem beside everyone: CPU time per request in interleaved rounds, as a ratio inside each round.

On a shared machine the cost of a system call swings by half within minutes. So every server is up all the time, each
gets one second of load in turn, what it used is divided by what Velocem and the floor used in the same round, and the
median over the rounds is shown. Whose turn it is not is stopped (SIGSTOP): some servers spin while they are idle.
"""

import argparse
import fnmatch
import os
import signal
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import NoReturn

import results
import scenarios
import tables
from asked import FILE_SIZE, FILLER, KIB, Scenario
from entrants import Entrant, everyone
from install import ROOT, UnavailableError, install
from loading import Loader
from measures import Bench
from progress import Progress, about, as_time
from scenarios import BY_NAME
from servers import Place

PROGRAMS = ROOT / "build" / "bench" / "bench"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench ARGS=",
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--scenario", default="all", help="names or groups of scenarios, with commas; * is any text")
    parser.add_argument(
        "--peers", default="all", help="names of entrants, with commas; Velocem and the floor always run"
    )
    parser.add_argument("--rounds", type=int, default=0, help="0: what each scenario says")
    parser.add_argument("--seconds", type=float, default=1.0, help="of a round")
    parser.add_argument("--list", action="store_true", help="only tell who takes part in what, and how long it takes")
    parser.add_argument("--programs", type=Path, default=PROGRAMS, help="folder of the programs limit and load")
    parser.add_argument("--package", type=Path, help="folder of a built velocem package, instead of building the tree")
    parser.add_argument("--python", type=Path, help="the interpreter that --package was built for")
    parser.add_argument("--output", type=Path, default=results.FOLDER)
    return parser.parse_args()


def matching(patterns: str, names_of: dict[str, set[str]]) -> list[str]:
    """Those with a name or a group that one of the patterns fits; a pattern that fits none is a mistake."""
    found: set[str] = set()
    for pattern in patterns.split(","):
        fits = {name for name, names in names_of.items() if pattern == "all" or fnmatch.filter(names, pattern)}
        if not fits:
            known = sorted({name for names in names_of.values() for name in names if name})
            raise SystemExit(f"bench: there is no {pattern}; there are: {', '.join(known)}")
        found |= fits
    return [name for name in names_of if name in found]


def chosen_scenarios(patterns: str) -> list[Scenario]:
    names = {scenario.name: {scenario.name, scenario.group} for scenario in scenarios.EVERY}
    return [scenarios.BY_NAME[name] for name in matching(patterns, names)]


def chosen_entrants(patterns: str) -> list[Entrant]:
    known = everyone()
    wanted = matching(patterns, {name: {name} for name in known})
    return [entrant for entrant in known.values() if entrant.name in wanted or entrant.ours or entrant.name == "limit"]


def taking_part(scenario: Scenario, entrants: Iterable[Entrant], named: bool) -> list[Entrant]:
    """named: the command line says who, and that overrides what a full run can afford."""
    return [entrant for entrant in entrants if scenario.takes(entrant) and (named or scenario.wants(entrant))]


def cores() -> tuple[int, list[int]]:
    """The server's, and the client's."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        raise SystemExit("bench: it takes two cores, one for the server and one for the client")
    return usable[0], usable[1:4]


def needs_of(parts: dict[str, list[Entrant]]) -> dict[str, tuple[Entrant, set[str]]]:
    """Everyone who takes part in something, with the requirements of its applications there."""
    needs: dict[str, tuple[Entrant, set[str]]] = {}
    for name, some in parts.items():
        for entrant in some:
            needs.setdefault(entrant.name, (entrant, set()))[1].update(filter(None, [BY_NAME[name].requirements]))
    return needs


def write_files(place: Place) -> None:
    """What is served."""
    place.file.write_bytes(FILLER * FILE_SIZE)
    place.static.mkdir()
    (place.static / "10k.bin").write_bytes(FILLER * (10 * KIB))
    (place.static / "10m.bin").hardlink_to(place.file)


def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


class Run:
    """What the command line asks for, who takes part in it, and who of them can be had."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options = options
        self.progress = Progress()
        self.wanted, self.entrants = chosen_scenarios(options.scenario), chosen_entrants(options.peers)
        named = options.peers != "all"
        self.parts = {scenario.name: taking_part(scenario, self.entrants, named) for scenario in self.wanted}
        self.pythons: dict[str, Path] = {}
        self.unavailable: dict[str, str] = {}
        core, self.client_cores = cores()
        place = Place(
            core,
            frozenset({core, *self.client_cores}),
            options.programs / "limit",
            folder,
            folder / "file",
            self.environments(),
        )
        loader = Loader(options.programs / "load", place, len(self.client_cores), options.seconds)
        self.bench = Bench(place, self.pythons, loader, self.progress, options.rounds)

    def environments(self) -> dict[str, dict[str, str]]:
        if not self.options.package:
            return {}
        path = str(self.options.package.resolve())
        return {entrant.name: {"PYTHONPATH": path} for entrant in self.entrants if entrant.ours}

    def expected(self) -> list[float]:
        """Seconds of each scenario."""
        each = zip(self.wanted, [None, *self.wanted], strict=False)
        return [self.bench.expected(scenario, len(self.parts[scenario.name]), after) for scenario, after in each]

    def show(self) -> None:
        for scenario, seconds in zip(self.wanted, self.expected(), strict=True):
            names = ", ".join(entrant.name for entrant in self.parts[scenario.name])
            print(f"{scenario.name:18} {as_time(seconds):>5}  {names}")
        print(f"{about(sum(self.expected()))}, and the installation of what is not there yet")

    def install(self) -> None:
        self.progress.say(f"{about(sum(self.expected()))}, and the installation of what is not there yet")
        needs = needs_of(self.parts)
        for number, (name, (entrant, more)) in enumerate(needs.items(), 1):
            self.progress.step(f"installing {number} of {len(needs)}", name)
            try:
                self.pythons[name] = self.python_of(entrant, sorted(more))
            except UnavailableError as error:
                self.unavailable[name] = str(error)
        for name, reason in self.unavailable.items():
            self.progress.say(f"{name} cannot be had: {reason}")
        self.entrants = [entrant for entrant in self.entrants if entrant.name in self.pythons]
        self.parts = {name: [one for one in some if one.name in self.pythons] for name, some in self.parts.items()}

    def python_of(self, entrant: Entrant, more: list[str]) -> Path:
        if entrant.ours and self.options.package:
            return Path(self.options.python or sys.executable)
        return install(entrant, more)

    def measure(self) -> int:
        """The exit status: 130 after an interrupt, as of a shell."""
        self.progress.begin(sum(self.expected()))
        self.progress.say(about(self.progress.total))
        write_files(self.bench.place)
        os.sched_setaffinity(0, self.client_cores)
        signal.signal(signal.SIGTERM, interrupt)
        known = {entrant.name: results.about(entrant, self.pythons[entrant.name]) for entrant in self.entrants}
        try:
            for scenario in self.wanted:
                result = self.bench.measure(scenario, self.parts[scenario.name])
                self.progress.clear()
                print(tables.text(result, known), flush=True)
        except KeyboardInterrupt:
            self.progress.say("interrupted: what was measured so far is kept")
            return 130
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one must not leave servers behind
            self.bench.pool.stop_all()
        return 0

    def write(self, interrupted: bool) -> Path:
        told = {"rounds": self.options.rounds, "seconds": self.options.seconds, "interrupted": interrupted}
        measured = {name: one for name, one in self.bench.results.items() if one["entrants"] or one["left_out"]}
        document = results.document(measured, self.entrants, self.pythons, self.unavailable, told)
        return results.write(document, self.options.output)


def main() -> int:
    options = parse()
    for program in () if options.list else ("limit", "load"):
        if not (options.programs / program).exists():
            raise SystemExit(f"bench: {options.programs / program} is not built (meson setup -Dbench=true)")
    # /dev/shm: the file that is served, and the log of each server, never wait for a disk.
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="bench-") as folder:
        run = Run(options, Path(folder))
        if options.list:
            run.show()
            return 0
        run.install()
        status = run.measure()
        print(run.write(status != 0))
        return status


if __name__ == "__main__":
    sys.exit(main())
