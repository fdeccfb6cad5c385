"""The run: who takes part, what is left out and why, and that nothing stays behind."""

import argparse
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import loading
import measures
import pytest
import results
import run
import scenarios
import tables
from asked import Load
from entrants import BENCH, Entrant, everyone
from install import UnavailableError
from progress import Progress, about, as_time
from scenarios import BY_NAME
from support.benchload import Programs


def test_scenarios_are_chosen_by_name_group_and_pattern() -> None:
    assert [one.name for one in run.chosen_scenarios("hello")] == ["hello"]
    assert [one.name for one in run.chosen_scenarios("open,hello")] == ["hello", "open-50", "open-80"]
    assert [one.name for one in run.chosen_scenarios("post-*")] == ["post-1k", "post-64k", "post-10m"]
    assert len(run.chosen_scenarios("all")) == len(scenarios.EVERY)


def test_a_name_that_is_not_there_is_a_mistake() -> None:
    with pytest.raises(SystemExit, match=r"no helo; there are: .*hello"):
        run.chosen_scenarios("helo")


def test_velocem_and_the_floor_always_run() -> None:
    names = [entrant.name for entrant in run.chosen_entrants("granian")]
    assert {"velocem", "limit", "granian"} <= set(names)
    assert "fastwsgi" not in names


def test_names_of_scenarios_are_different() -> None:
    assert len(BY_NAME) == len(scenarios.EVERY)


def test_every_application_of_a_server_is_asked_for() -> None:
    """A file that no scenario names would never run."""
    asked = {scenario.app for scenario in scenarios.EVERY}
    apps = {path.stem for path in (BENCH / "apps" / "wsgi").glob("*.py")}
    assert {"hello", "post", "file"} <= apps <= asked


def test_who_is_named_takes_part_though_a_full_run_could_not_afford_it() -> None:
    scenario, entrants = BY_NAME["connections-1"], list(everyone().values())
    usual = [entrant.name for entrant in run.taking_part(scenario, entrants, named=False)]
    named = [entrant.name for entrant in run.taking_part(scenario, entrants, named=True)]
    assert set(usual) < set(named)
    assert "bjoern" not in usual
    assert "bjoern" in named


def test_an_entrant_takes_part_when_it_has_the_application() -> None:
    entrant = Entrant(name="x", about="", command=(), interface="wsgi")
    assert BY_NAME["hello"].takes(entrant)
    assert not BY_NAME["ws-128"].takes(entrant)
    assert not BY_NAME["hello"].takes(Entrant(name="x", about="", command=(), interface="nothing"))
    assert not BY_NAME["json"].takes(entrant)  # of frameworks
    only = Entrant(name="x", about="", command=(), only=frozenset({"close"}))
    assert BY_NAME["close"].takes(only)
    assert not BY_NAME["hello"].takes(only)


@pytest.mark.parametrize("size", [1, 125, 126, 65535, 65536])
def test_the_size_of_a_frame_is_that_of_the_load_generator(size: int) -> None:
    assert Load(size=size).frame_size() == size + {1: 6, 125: 6, 126: 8, 65535: 8, 65536: 14}[size]


def counted(**changed: Any) -> dict[str, Any]:
    result: dict[str, Any] = {
        "complete": True,
        "answers": 1000,
        "seconds": 2.0,
        "sent": 50_000,
        "received": 100_000,
        "opened": 0,
        "unanswered": 0,
        "client": 1.0,
        "server": 0.5,
        "user_ticks": 0.1,
        "all_ticks": 0.4,
        "statuses": {"200": 1000},
        "errors": {},
        "latency": [[1000, 990], [5000, 10]],
    }
    return result | changed


def test_a_sample_is_cpu_per_answer() -> None:
    sample = loading.sample_of(counted(), BY_NAME["hello"], 3, threads=1)
    assert sample["round"] == 3
    assert sample["us"] == pytest.approx(500)
    assert sample["rate"] == 500
    assert sample["client"] == 0.5
    assert sample["p50"] == 1


def test_large_bodies_are_counted_by_what_moved() -> None:
    out = loading.sample_of(counted(received=10 << 20), BY_NAME["out-10m"], 1, threads=1)
    assert out["us"] == pytest.approx(0.5 / 10 * 1e6)
    posted = loading.sample_of(counted(answers=0, sent=15 << 20), BY_NAME["post-10m"], 1, threads=1)
    assert posted["us"] == pytest.approx(0.5 / 1.5 * 1e6, rel=0.001)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"errors": {"body": 2}}, "wrong: 2 answers with another body"),
        ({"errors": {"status": 1, "malformed": 2}}, "wrong: 2 malformed answers, 1 answers of another status"),
        ({"errors": {"closed": 11}}, "wrong: 1000 answers, connections: 11 closed early"),
        ({"complete": False, "errors": {"connect": 1}}, "not all connections could be opened: 1 refused"),
        ({"answers": 0, "errors": {"connect": 64}}, "wrong: 0 answers, connections: 64 refused"),
    ],
)
def test_a_load_that_went_wrong_is_refused(changed: dict[str, Any], why: str) -> None:
    with pytest.raises(UnavailableError, match=why):
        loading.refuse(counted(**changed), None)


def test_a_round_without_an_answer_is_silent() -> None:
    with pytest.raises(loading.SilentError):
        loading.sample_of(counted(answers=0, latency=[]), BY_NAME["hello"], 1, threads=1)


def test_a_few_lost_connections_are_only_counted() -> None:
    loading.refuse(counted(errors={"reset": 3}), None)
    sample = loading.sample_of(counted(errors={"reset": 3}, unanswered=1), BY_NAME["hello"], 1, threads=1)
    assert sample["lost"] == 4


def test_a_death_is_told_before_anything_else() -> None:
    with pytest.raises(UnavailableError, match="it ended with status -11"):
        loading.refuse(counted(errors={"closed": 64}), "it ended with status -11: no message")


def test_what_measures_itself() -> None:
    line = '{"operations": 1000, "seconds": 0.5, "user": 0.3, "system": 0.1}'
    sample = loading.sample_of_itself(f"a warning\n{line}\n", 0, 2)
    assert sample["us"] == pytest.approx(400)
    assert sample["rate"] == 2000


@pytest.mark.parametrize(
    ("output", "status", "why"),
    [
        ('{"wrong": "two callbacks"}', 0, "wrong: two callbacks"),
        ('{"lacks": "sock_sendfile"}', 0, "lacks: sock_sendfile"),
        ("ImportError: no module named x", 1, "status 1: ImportError"),
        ("", 0, "status 0: no message"),
        ("7", 0, "status 0: 7"),
    ],
)
def test_what_cannot_measure_itself(output: str, status: int, why: str) -> None:
    with pytest.raises(UnavailableError, match=why):
        loading.sample_of_itself(output, status, 1)


def test_the_expected_time_grows_with_rounds_and_entrants() -> None:
    one = measures.expected_seconds(BY_NAME["hello"], 1, 7, 1.0)
    assert 7 < one < 12
    assert measures.expected_seconds(BY_NAME["hello"], 3, 7, 1.0) == pytest.approx(3 * one)
    assert measures.expected_seconds(BY_NAME["idle"], 1, 7, 1.0) > one + 7 * 0.5


def test_a_full_run_fits_in_fifty_minutes() -> None:
    entrants = list(everyone().values())
    total = sum(
        measures.expected_seconds(one, len(run.taking_part(one, entrants, named=False)), one.rounds, 1.0, after)
        for one, after in zip(scenarios.EVERY, [None, *scenarios.EVERY], strict=False)
    )
    assert total < 50 * 60


def test_progress_is_plain_lines_without_a_terminal() -> None:
    stream = io.StringIO()
    progress = Progress(stream=stream)
    progress.begin(100)
    progress.now("hello", "round 1 of 7  granian")
    progress.step("hello", "round 1 of 7", 10)
    assert stream.getvalue() == "hello: round 1 of 7, 1:40 left\n"
    assert as_time(61.2) == "1:01"
    assert as_time(-5) == "0:00"
    assert about(12.4) == "about 12 seconds"
    assert about(2400) == "about 40 minutes"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_one_live_line_on_a_terminal() -> None:
    stream = Terminal()
    progress = Progress(stream=stream)
    progress.begin(100)
    progress.now("hello", "round 1 of 7  granian")
    progress.say("granian left out: it ended")
    assert "\n" not in stream.getvalue().removesuffix("\n")
    assert stream.getvalue().count("\x1b[K") == 2


def result_of(us: dict[str, list[float]]) -> dict[str, Any]:
    def sample(number: int, value: float) -> dict[str, float]:
        return {"round": number, "us": value, "user_ticks": 1.0, "all_ticks": 4.0, "rate": 1e6 / value, "client": 0.99}

    return {
        "title": "hello",
        "group": "",
        "unit": "request",
        "point": 0,
        "way": "closed",
        "entrants": {
            name: {"samples": [sample(number, value) for number, value in enumerate(values, 1)]}
            for name, values in us.items()
        },
        "left_out": {"bjoern": "wrong: status 500"},
    }


KNOWN = {
    "velocem": {"ours": True, "interface": "wsgi"},
    "limit": {"ours": False, "interface": "limit"},
    "granian": {"ours": False, "interface": "wsgi"},
}


def test_a_table_has_factors_of_velocem_and_who_was_left_out() -> None:
    result = result_of({"velocem": [8, 16, 8], "limit": [4, 8, 4], "granian": [16, 36, 17]})
    result["entrants"]["granian"]["samples"][1]["lost"] = 3
    text = tables.text(result, KNOWN)
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line}
    assert rows["velocem"][1:7] == ["8", "2", "6", "2.00x", "1.00x", "1.00-1.00"]
    assert rows["granian"][1] == "17"
    assert rows["granian"][5] == "2.12x"
    assert rows["limit"][5] == "0.50x"
    assert rows["velocem"][7].startswith(">")  # the client could not ask for more
    assert "bjoern: wrong: status 500" in text
    assert "granian: 3 requests had no answer" in text
    assert "limit: " not in text


def test_a_document_comes_back_as_it_was_written(tmp_path: Path) -> None:
    velocem = everyone()["velocem"]
    pythons = {"velocem": Path(sys.executable)}
    document = results.document({"hello": result_of({"velocem": [8.123456789]})}, [velocem], pythons, {"x": "no"}, {})
    path = results.write(document, tmp_path)
    assert path.name == f"{document['date'][:10]}-{document['commit']}.json"
    assert results.read(path) == json.loads(json.dumps(document))
    assert results.read(path)["scenarios"]["hello"]["entrants"]["velocem"]["samples"][0]["us"] == 8.1235
    assert document["entrants"]["velocem"]["python"].startswith("3.")
    assert "kernel" in document["machine"]
    assert results.newest(tmp_path) == path


def options(programs: Programs, output: Path, **more: Any) -> argparse.Namespace:
    known = {
        "scenario": "hello",
        "peers": "limit",
        "rounds": 2,
        "seconds": 0.1,
        "list": False,
        "programs": programs.folder,
        "package": Path(sys.modules["velocem"].__file__ or "").parent.parent,
        "python": Path(sys.executable),
        "output": output,
    }
    return argparse.Namespace(**known | more)


def command(given: argparse.Namespace) -> list[str]:
    words = [sys.executable, str(BENCH / "run.py")]
    for name, value in vars(given).items():
        if name != "list":
            words += [f"--{name}", str(value)]
    return words


def test_a_whole_run_writes_a_table_and_a_result(programs: Programs, tmp_path: Path) -> None:
    given = options(programs, tmp_path, scenario="hello,close,memory,start,open-50,in-1m")
    done = subprocess.run(command(given), capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stderr
    assert "about" in done.stderr.splitlines()[0]
    found = json.loads(next(tmp_path.glob("*.json")).read_text())
    assert set(found["scenarios"]) == set(given.scenario.split(","))
    for name, result in found["scenarios"].items():
        assert set(result["entrants"]) >= {"velocem", "limit"}, (name, result["left_out"])
        assert "velocem" in done.stdout
    hello = found["scenarios"]["hello"]["entrants"]["velocem"]
    assert len(hello["samples"]) == 2
    assert 1 << 20 < hello["pss_idle"] < 1 << 30
    assert hello["latency"]["p99.9"] >= hello["latency"]["p50"] > 0
    assert found["scenarios"]["open-50"]["rate"] > 0


def test_ctrl_c_keeps_what_was_measured_and_leaves_nothing_behind(programs: Programs, tmp_path: Path) -> None:
    given = options(programs, tmp_path, scenario="hello,headers", rounds=1000)
    process = subprocess.Popen(command(given), stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "round 2 of" in line:
            break
    listed = subprocess.run(["ps", "-eo", "ppid=,pid="], capture_output=True, text=True, check=True).stdout
    servers = [int(pid) for parent, pid in map(str.split, listed.splitlines()) if int(parent) == process.pid]
    os.kill(process.pid, signal.SIGINT)
    rest = process.stderr.read()
    process.stderr.close()
    assert process.wait(30) == 130
    assert "interrupted: what was measured so far is kept" in rest
    found = json.loads(next(tmp_path.glob("*.json")).read_text())
    assert found["options"]["interrupted"]
    assert len(found["scenarios"]["hello"]["entrants"]["velocem"]["samples"]) >= 1
    assert len(servers) >= 2
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in servers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{pid}").exists() for pid in servers)
