"""Runs the load generator against a server for one round and makes a sample of what it reports."""

import json
import os
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import servers
from asked import Load, Scenario
from entrants import Entrant
from figures import merge, percentiles
from install import UnavailableError, reason_of
from servers import Place, Server

SPARE_SECONDS = 60  # over what a round should take, before its load is given up
WRONG = {"malformed": "malformed answers", "body": "answers with another body", "status": "answers of another status"}
LOST = {"connect": "refused", "reset": "reset", "closed": "closed early", "idle": "closed while idle"}
MOST_LOST = 0.01  # of the answers
WARM_SECONDS, WARM_PER_CONNECTION = 0.1, 5e-5  # so that ten thousand have had a turn or two
WEIGH_SECONDS = 0.2
REST_SECONDS = 0.3  # for a server to finish what it does after an answer


class SilentError(UnavailableError):
    """A round that says nothing: not one answer and no error, as when the machine has stood, or other processes."""


@dataclass(frozen=True)
class Loader:
    """The load generator on its core."""

    program: Path
    place: Place
    threads: int
    seconds: float

    def command(self, server: Server, scenario: Scenario, load: Load, seconds: float, *more: str) -> list[str]:
        request = self.place.folder / "request"
        words = [
            self.program,
            "--port",
            server.port,
            "--request",
            request,
            "--time",
            seconds,
            "--threads",
            self.threads,
        ]
        words += ["--connections", load.connections, "--together", load.together, "--idle", load.idle]
        words += [*(word for pid in server.pids for word in ("--watch", pid)), *more]
        words += ["--warm", WARM_SECONDS + load.connections * WARM_PER_CONNECTION]
        if load.way == "open":
            words += ["--rate", load.rate]
        if load.way in {"websocket", "echo"}:
            request.write_bytes(scenario.answer_body())
            return [*map(str, words), f"--{load.way}"]
        if load.hears:
            heard = self.place.folder / "heard"
            heard.write_bytes(scenario.heard)
            words += ["--hears", load.hears, "--heard", heard]
        request.write_bytes(scenario.one(server.host))
        if server.entrant.closes or not load.keep_alive:
            words.append("--closes")
        words += ["--status", scenario.answer.status]
        return [*map(str, words), "--expect", str(self.expected(server, scenario))]

    def expected(self, server: Server, scenario: Scenario) -> Path:
        """Every answer is compared with this byte for byte: where servers may differ, with what was found right."""
        if scenario.answer.value is None and not scenario.answer.pieces:
            return servers.body_file(scenario, self.place)
        path = self.place.folder / "expect"
        path.write_bytes(server.body)
        return path

    def run(self, server: Server, scenario: Scenario, load: Load, seconds: float, *more: str) -> dict[str, Any]:
        command = self.command(server, scenario, load, seconds, *more)
        cores = self.place.cores if scenario.shared else os.sched_getaffinity(0)
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),  # noqa: PLW1509 - no thread of ours is running
            start_new_session=True,
        )
        try:
            output, errors = process.communicate(timeout=seconds + SPARE_SECONDS)
        except subprocess.TimeoutExpired:
            raise UnavailableError(f"the load did not end in {seconds + SPARE_SECONDS:.0f} s") from None
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode != 0:
            raise UnavailableError(f"load: {reason_of(errors)}")
        result: dict[str, Any] = json.loads(output)
        return result

    def warm(self, server: Server, scenario: Scenario, seconds: float) -> None:
        """A short load that is not counted. What is wrong with it shows in the rounds."""
        assert scenario.load is not None
        self.run(server, scenario, scenario.load, seconds)

    def sample(self, server: Server, scenario: Scenario, number: int) -> dict[str, Any]:
        """One round: CPU microseconds for a unit of work, units per second, latencies. Or UnavailableError."""
        assert scenario.load is not None
        result = self.run(server, scenario, scenario.load, self.seconds)
        refuse(result, server.death())
        if server.changed():
            raise SilentError("its processes were replaced while they were measured")
        return sample_of(result, scenario, number, self.threads)

    def weigh(self, server: Server, scenario: Scenario) -> float:
        """Bytes that an idle connection holds, beside what a server has learned to keep from its first ones."""
        load = scenario.load
        assert load is not None
        self.run(server, scenario, replace(load, idle=0), WEIGH_SECONDS)
        time.sleep(REST_SECONDS)
        before = server.memory()
        result = self.run(server, scenario, replace(load, connections=1), WEIGH_SECONDS, "--weigh")
        refuse(result, server.death())
        return max(0.0, float(result["weight"] - before)) / load.idle


def refuse(result: dict[str, Any], death: str | None) -> None:
    """A server that answers wrong, or hardly, is not timed."""
    if death:
        raise UnavailableError(death)
    errors: dict[str, int] = result["errors"]
    wrong = [f"{errors[name]} {text}" for name, text in WRONG.items() if name in errors]
    if wrong:
        raise UnavailableError(f"wrong: {', '.join(wrong)}")
    lost = sum(errors.values())
    told = ", ".join(f"{errors[name]} {text}" for name, text in LOST.items() if name in errors) or "no answer in time"
    if not result["complete"]:
        raise UnavailableError(f"not all connections could be opened: {told}")
    if lost > MOST_LOST * max(result["answers"], 1):
        raise UnavailableError(f"wrong: {result['answers']} answers, connections: {told}")


def sample_of(result: dict[str, Any], scenario: Scenario, number: int, threads: int) -> dict[str, Any]:
    units = scenario.units(result["answers"], result["sent"], result["received"])
    if units == 0:
        raise SilentError("no answer in a whole round")
    seconds = result["seconds"]
    return {
        "round": number,
        "us": result["server"] / units * 1e6,
        "user_ticks": result["user_ticks"],
        "all_ticks": result["all_ticks"],
        "rate": units / seconds,
        "busy": result["server"] / seconds,
        "client": result["client"] / seconds / threads,
        "lost": sum(result["errors"].values()) + result["unanswered"],
        "opened": result["opened"],
        **percentiles(merge([result["latency"]])),
        "latency": result["latency"],
    }


def measure_itself(
    entrant: Entrant, scenario: Scenario, place: Place, python: Path, seconds: float, number: int
) -> Any:
    """A loop or a router runs by itself and prints what it did."""
    with (place.folder / "itself").open("w+b") as log:
        process = servers.launch(entrant, scenario, place, python, log, seconds=seconds)
        try:
            process.wait(seconds + SPARE_SECONDS)
        except subprocess.TimeoutExpired:
            raise UnavailableError(f"it did not end in {seconds + SPARE_SECONDS:.0f} s") from None
        finally:
            servers.kill(process, 9)
            process.wait()
        log.seek(0)
        return sample_of_itself(log.read().decode(errors="replace"), process.returncode, number)


def sample_of_itself(output: str, status: int, number: int) -> dict[str, Any]:
    lines = output.strip().splitlines()
    try:
        result = json.loads(lines[-1]) if status == 0 and lines else None
    except ValueError:
        result = None
    if not isinstance(result, dict):
        raise UnavailableError(f"status {status}: {reason_of(output)}")
    for fault in ("wrong", "lacks"):
        if fault in result:
            raise UnavailableError(f"{fault}: {result[fault]}")
    cpu = result["user"] + result["system"]
    return {
        "round": number,
        "us": cpu / result["operations"] * 1e6,
        "user_ticks": result["user"],
        "all_ticks": cpu,
        "rate": result["operations"] / result["seconds"],
    }
