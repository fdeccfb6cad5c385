"""Measures one scenario: its entrants in interleaved rounds, what went wrong with whom, and nothing left behind."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import servers
from asked import Scenario
from entrants import Entrant
from figures import merge, middle, percentiles
from install import UnavailableError
from loading import Loader, SilentError, measure_itself
from progress import Progress
from scenarios import BY_NAME
from servers import Place, Pool, Server

WARM_SECONDS = 0.2  # of the round that is not counted
SPENT_BESIDE = 0.15  # seconds around each load: its start, its connections, its end
ITSELF_SECONDS = 0.5  # that a loop or a router works in a round
ITSELF_BESIDE = 0.6
START_SECONDS = 0.7  # that an entrant takes to be up, as a rule, when all start at once
MEMORY_SECONDS = 3.0
IDLE_SECONDS = 1.0 / 10_000  # to open a connection and have its first answer

MOST_SILENT = 1  # rounds without an answer, which do not count

Result = dict[str, Any]


def expected_seconds(
    scenario: Scenario, entrants: int, rounds: int, seconds: float, after: Scenario | None = None
) -> float:
    """How long it should take; after another, whose servers may serve this one too."""
    load = scenario.load
    if load is None:
        return entrants * rounds * (ITSELF_SECONDS + ITSELF_BESIDE)
    if load.way == "memory":
        return entrants * MEMORY_SECONDS
    if load.way == "start":
        return entrants * rounds * START_SECONDS
    opening = (load.idle + load.connections) * IDLE_SECONDS
    one = seconds + SPENT_BESIDE + opening
    starting = 0.0 if after and after.started_like(scenario) else START_SECONDS
    return entrants * (starting + rounds * one + WARM_SECONDS + SPENT_BESIDE + opening)


@dataclass
class Bench:
    """One run: who can be had, where they run, what came out so far."""

    place: Place
    pythons: Mapping[str, Path]
    loader: Loader
    progress: Progress
    rounds: int = 0  # 0: what each scenario says
    results: dict[str, Result] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.pool = Pool(self.place, self.pythons)

    def rounds_of(self, scenario: Scenario) -> int:
        return self.rounds or scenario.rounds

    def expected(self, scenario: Scenario, entrants: int, after: Scenario | None = None) -> float:
        return expected_seconds(scenario, entrants, self.rounds_of(scenario), self.loader.seconds, after)

    def measure(self, scenario: Scenario, entrants: list[Entrant]) -> Result:
        """What was measured so far stays in the results when it is interrupted."""
        load = scenario.load
        result: Result = {
            "title": scenario.title,
            "group": scenario.group,
            "unit": scenario.unit,
            "point": scenario.point,
            "way": load.way if load else "itself",
            "entrants": {entrant.name: {"samples": []} for entrant in entrants},
            "left_out": {},
        }
        self.results[scenario.name] = result
        ways: dict[str, Callable[[Scenario, list[Entrant], Result], None]] = {
            "itself": self.measure_itself,
            "memory": self.measure_memory,
            "start": self.measure_start,
        }
        for entrant in entrants:
            if reason := entrant.leaves_out.get(scenario.name) or entrant.leaves_out.get(scenario.app):
                self.leave_out(scenario, result, entrant.name, reason)
        able = [entrant for entrant in entrants if entrant.name not in result["left_out"]]
        try:
            ways.get(result["way"], self.measure_load)(scenario, able, result)
        finally:
            self.finish(result)
        return result

    def leave_out(self, scenario: Scenario, result: Result, name: str, reason: str) -> None:
        result["left_out"][name] = reason
        self.progress.say(f"{scenario.name}: {name} left out: {reason}")

    @staticmethod
    def finish(result: Result) -> None:
        """Who left is not shown as measured; what is large becomes what is asked of it."""
        for name in list(result["entrants"]):
            entrant = result["entrants"][name]
            if name in result["left_out"] or not entrant["samples"]:
                del result["entrants"][name]
                continue
            histograms = [sample.pop("latency") for sample in entrant["samples"] if "latency" in sample]
            if histograms:
                entrant["latency"] = percentiles(merge(histograms))

    def each_round(self, scenario: Scenario, names: list[str], result: Result, take: Callable[[str, int], Any]) -> None:
        """A B C, A B C: every entrant in turn, round after round. Round 0, if take has one, only warms."""
        rounds = self.rounds_of(scenario)
        silent: Counter[str] = Counter()
        share = self.expected(scenario, len(names)) / (rounds + 1)
        for number in range(rounds + 1):
            for name in names:
                if name in result["left_out"]:
                    continue
                self.progress.now(scenario.name, f"round {number} of {rounds}  {name}")
                try:
                    sample = take(name, number)
                except SilentError as error:
                    silent[name] += 1
                    if silent[name] > MOST_SILENT:
                        self.leave_out(scenario, result, name, f"in round {number}, not the first time: {error}")
                    continue
                except (UnavailableError, OSError, KeyError, ZeroDivisionError, ValueError) as error:
                    self.leave_out(scenario, result, name, f"in round {number}: {error}")
                    continue
                if number > 0 and sample is not None:
                    result["entrants"][name]["samples"].append(sample)
            self.progress.step(scenario.name, f"round {number} of {rounds}", share)

    def measure_load(self, scenario: Scenario, entrants: list[Entrant], result: Result) -> None:
        before = set(map(id, self.pool.up.values()))
        self.pool.resume()
        running, missing = self.pool.serve(entrants, scenario)
        for name, reason in missing.items():
            self.leave_out(scenario, result, name, reason)
        self.pool.pause()
        for server in running:
            if id(server) not in before:  # one that served another scenario is not idle any more
                result["entrants"][server.entrant.name]["pss_idle"] = server.memory()
        by_name = {server.entrant.name: server for server in running}
        scenario = self.with_rate(scenario, by_name, result)

        def take(name: str, number: int) -> Any:
            with self.pool.turn(by_name[name]):
                if number == 0:
                    return self.loader.warm(by_name[name], scenario, WARM_SECONDS)
                return self.loader.sample(by_name[name], scenario, number)

        self.each_round(scenario, list(by_name), result, take)
        for name, server in by_name.items():
            if name in result["left_out"]:
                self.pool.stop([name])  # whatever state it is in
            else:
                result["entrants"][name]["pss_loaded"] = server.memory()

    def with_rate(self, scenario: Scenario, running: dict[str, Server], result: Result) -> Scenario:
        """An open loop's rate: a part of what the slowest can do, by the rounds of hello or by one that is run now."""
        load = scenario.load
        assert load is not None
        if load.way != "open":
            return scenario
        hello = BY_NAME["hello"]
        known = self.results.get("hello", {}).get("entrants", {})
        rates: dict[str, float] = {}
        for name, server in running.items():
            try:
                with self.pool.turn(server):
                    samples = known.get(name, {}).get("samples") or [self.loader.sample(server, hello, 0)]
            except UnavailableError:
                continue  # its own rounds will say the same
            found = middle([sample["rate"] for sample in samples])
            rates |= {name: found.median} if found else {}
        if not rates:
            return scenario
        slowest = min(rates, key=lambda name: rates[name])
        rate = float(round(rates[slowest] * load.part))
        result["rate"], result["slowest"] = rate, slowest
        self.progress.say(f"{scenario.name}: {rate:,.0f} requests a second; {slowest} is the slowest")
        return replace(scenario, load=replace(load, rate=rate))

    def measure_itself(self, scenario: Scenario, entrants: list[Entrant], result: Result) -> None:
        by_name = {entrant.name: entrant for entrant in entrants}

        def take(name: str, number: int) -> Any:
            if number == 0:
                return None  # each process warms up by itself
            python = self.pythons[name]
            return measure_itself(by_name[name], scenario, self.place, python, ITSELF_SECONDS, number)

        self.each_round(scenario, list(by_name), result, take)

    def measure_memory(self, scenario: Scenario, entrants: list[Entrant], result: Result) -> None:
        """Each alone: a process that has served nothing yet, then its idle connections."""
        for entrant in entrants:
            self.progress.now(scenario.name, entrant.name)
            self.pool.stop([entrant.name])
            alone = Pool(self.place, self.pythons)
            missing: dict[str, str] = {}
            try:
                running, missing = alone.serve([entrant], scenario)
                for server in running:
                    size = self.loader.weigh(server, scenario)
                    result["entrants"][entrant.name]["samples"] = [{"round": 1, "bytes": size}]
            except (UnavailableError, OSError, ValueError) as error:
                missing[entrant.name] = str(error)
            finally:
                alone.stop_all()
            for name, reason in missing.items():
                self.leave_out(scenario, result, name, reason)
            self.progress.step(scenario.name, entrant.name, MEMORY_SECONDS)

    def measure_start(self, scenario: Scenario, entrants: list[Entrant], result: Result) -> None:
        by_name = {entrant.name: entrant for entrant in entrants}
        self.pool.stop_all()

        def take(name: str, number: int) -> Any:
            server = servers.start(by_name[name], scenario, self.place, self.pythons[name])
            try:
                servers.wait_until_right(server, scenario)
                return {
                    "round": number,
                    "ms": (time.monotonic() - server.began) * 1e3,
                    "cpu_ms": server.cpu() * 1e3,
                }
            finally:
                servers.stop([server])

        self.each_round(scenario, list(by_name), result, take)
