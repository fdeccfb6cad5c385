"""Measures Velocem beside everyone: CPU time per request in interleaved rounds, as a ratio inside each round.

On a shared machine the cost of a system call swings by half within minutes. So every server is up all the time, each
gets one second of load in turn, what it used is divided by what Velocem and the floor used in the same round, and the
median over the rounds is shown. Idle servers wait and cost nothing.
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
from entrants import Entrant, everyone
from install import ROOT, UnavailableError, install
from loading import Loader
from measures import Bench
from progress import Progress, as_time
from scenarios import Scenario
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


def install_all(wanted: list[Scenario], parts: dict[str, list[Entrant]], have: "Have", progress: Progress) -> None:
    """Everyone who takes part in something, with what its applications need."""
    needs: dict[str, tuple[Entrant, set[str]]] = {}
    for scenario in wanted:
        for entrant in parts[scenario.name]:
            needs.setdefault(entrant.name, (entrant, set()))[1].update(filter(None, [scenario.requirements]))
    for number, (name, (entrant, more)) in enumerate(needs.items(), 1):
        progress.step(f"installing {number} of {len(needs)}", name)
        have.install(entrant, sorted(more))


class Have:
    """Who can be had, and the interpreter of each."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.pythons: dict[str, Path] = {}
        self.unavailable: dict[str, str] = {}

    def install(self, entrant: Entrant, more: list[str]) -> None:
        if entrant.ours and self.options.package:
            self.pythons[entrant.name] = self.options.python or Path(sys.executable)
            return
        try:
            self.pythons[entrant.name] = install(entrant, more)
        except UnavailableError as error:
            self.unavailable[entrant.name] = str(error)

    def environments(self, entrants: Iterable[Entrant]) -> dict[str, dict[str, str]]:
        if not self.options.package:
            return {}
        path = str(self.options.package.resolve())
        return {entrant.name: {"PYTHONPATH": path} for entrant in entrants if entrant.ours}


def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def run(options: argparse.Namespace, folder: Path) -> int:
    progress = Progress()
    wanted, entrants = chosen_scenarios(options.scenario), chosen_entrants(options.peers)
    parts = {scenario.name: taking_part(scenario, entrants, options.peers != "all") for scenario in wanted}
    have = Have(options)
    server_core, client_cores = cores()
    place = Place(server_core, options.programs / "limit", folder, folder / "file", have.environments(entrants))
    place.file.write_bytes(scenarios.FILLER * scenarios.FILE_SIZE)
    loader = Loader(options.programs / "load", place, len(client_cores), options.seconds)
    bench = Bench(place, have.pythons, loader, progress, options.rounds)

    def expected() -> float:
        each = zip(wanted, [None, *wanted], strict=False)
        return sum(bench.expected(scenario, len(parts[scenario.name]), after) for scenario, after in each)

    if options.list:
        for scenario, after in zip(wanted, [None, *wanted], strict=False):
            seconds = bench.expected(scenario, len(parts[scenario.name]), after)
            print(
                f"{scenario.name:18} {as_time(seconds)}  {', '.join(entrant.name for entrant in parts[scenario.name])}"
            )
        print(f"about {as_time(expected())}, and the installation of what is not there yet")
        return 0
    progress.say(f"about {expected() / 60:.0f} minutes, and the installation of what is not there yet")
    install_all(wanted, parts, have, progress)
    for name, reason in have.unavailable.items():
        progress.say(f"{name} cannot be had: {reason}")
    parts = {name: [entrant for entrant in some if entrant.name in have.pythons] for name, some in parts.items()}
    progress.begin(expected())
    progress.say(f"about {expected() / 60:.0f} minutes")
    os.sched_setaffinity(0, client_cores)
    signal.signal(signal.SIGTERM, interrupt)
    status = 0
    known = {
        entrant.name: results.about(entrant, have.pythons[entrant.name])
        for entrant in entrants
        if entrant.name in have.pythons
    }
    try:
        for scenario in wanted:
            result = bench.measure(scenario, parts[scenario.name])
            progress.clear()
            print(tables.text(result, known), flush=True)
    except KeyboardInterrupt:
        progress.say("interrupted: what was measured so far is kept")
        status = 130
    finally:
        bench.pool.stop_all()
    measured = {name: result for name, result in bench.results.items() if result["entrants"] or result["left_out"]}
    told = {"rounds": options.rounds, "seconds": options.seconds, "interrupted": status != 0}
    took_part = [entrant for entrant in entrants if entrant.name in have.pythons]
    document = results.document(measured, took_part, have.pythons, have.unavailable, told)
    print(results.write(document, options.output))
    return status


def main() -> int:
    options = parse()
    for program in ("limit", "load"):
        if not (options.programs / program).exists():
            raise SystemExit(f"bench: {options.programs / program} is not built (meson setup -Dbench=true)")
    # /dev/shm: the file that is served, and the log of each server, never wait for a disk.
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="bench-") as folder:
        return run(options, Path(folder))


if __name__ == "__main__":
    sys.exit(main())
