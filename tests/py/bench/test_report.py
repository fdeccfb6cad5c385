"""The page, the charts and the README's figures, from a result as a run writes it."""

import copy
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import readme
import report
import results

ROOT = Path(__file__).resolve().parents[3]


def entrant(interface: str = "wsgi", ours: bool = False) -> dict[str, Any]:
    return {"about": "", "kind": "server", "interface": interface, "ours": ours, "command": ["x", "a|b"], "env": {}}


def result(title: str, us: dict[str, list[float]], **more: Any) -> dict[str, Any]:
    def sample(number: int, value: float) -> dict[str, float]:
        return {"round": number, "us": value, "user_ticks": 1.0, "all_ticks": 2.0, "rate": 1e6 / value, "client": 0.5}

    entrants = {
        name: {
            "samples": [sample(number, value) for number, value in enumerate(values, 1)],
            "latency": {"p50": 1.0, "p99": 2.0, "p99.9": 3.0, "max": 4.0},
        }
        for name, values in us.items()
    }
    known = {"title": title, "group": "", "unit": "request", "point": 0, "way": "closed", "left_out": {}}
    return known | {"entrants": entrants} | more


DOCUMENT: dict[str, Any] = {
    "format": results.FORMAT,
    "date": "2026-01-02T03:04:05+00:00",
    "commit": "abc1234",
    "machine": {"processor": "AMD EPYC", "cores": 2, "kernel": "6.18"},
    "options": {},
    "entrants": {
        "velocem": entrant(ours=True),
        "limit": entrant("limit"),
        "granian": entrant(),
        "fastwsgi": entrant(),
    },
    "unavailable": {"velocem-0.0.9": "no wheel"},
    "scenarios": {
        "hello": result("hello", {"velocem": [8, 16], "limit": [6, 12], "granian": [16, 32]}),
        "chunks": result("100 chunks", {"velocem": [500, 500], "granian": [1000, 1000], "fastwsgi": [300, 310]}),
        "connections-1": result("1", {"velocem": [90, 92], "limit": [70, 70]}, group="grow-connections", point=1),
        "connections-10": result("10", {"velocem": [20, 20], "limit": [15, 15]}, group="grow-connections", point=10),
        "close": result("close", {}, left_out={"granian": "wrong: status 500"}),
    },
}


def test_a_page_has_every_scenario_its_picture_and_who_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "2026-01-02-abc1234.json"
    path.write_text(json.dumps(DOCUMENT))
    written = report.write(path)
    assert {one.name for one in written} == {
        "2026-01-02-abc1234.md",
        "hello.svg",
        "chunks.svg",
        "grow-connections.svg",
    }
    page = written[0].read_text()
    assert "| granian | 24 | 12 | 12 | 2.67x | 2.00x |" in page
    assert "![hello](2026-01-02-abc1234/hello.svg)" in page
    assert "Left out: granian: wrong: status 500" in page
    assert "- velocem-0.0.9: no wheel" in page
    assert "`x a\\|b`" in page
    for one in written[1:]:
        assert ET.fromstring(one.read_text()).tag.endswith("svg")


def test_old_pictures_do_not_stay(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(DOCUMENT))
    report.write(path)
    assert (tmp_path / "a" / "chunks.svg").exists()
    changed = copy.deepcopy(DOCUMENT)
    del changed["scenarios"]["chunks"]
    path.write_text(json.dumps(changed))
    report.write(path)
    assert not (tmp_path / "a" / "chunks.svg").exists()


def test_a_result_of_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(DOCUMENT | {"format": 1}))
    with pytest.raises(SystemExit, match="another format"):
        report.write(path)
    with pytest.raises(SystemExit, match="no result"):
        results.newest(tmp_path)


def test_the_readme_says_where_a_peer_is_ahead() -> None:
    block = readme.block(DOCUMENT, Path("bench/results/2026-01-02-abc1234.json"))
    assert "- 100 chunks: fastwsgi 0.61x" in block
    assert "limit 0." not in block.partition("ahead in this run")[2]  # the floor is no peer
    assert "Not to be had on that machine: velocem-0.0.9." in block
    assert "| hello, kept alive | 12 us | 0.75x |  | 2.00x |" in block
    assert "(bench/results/2026-01-02-abc1234/hello.svg)" in block


def test_only_the_figures_of_the_readme_are_replaced() -> None:
    path = Path("bench/results/2026-01-02-abc1234.json")
    text = f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter\n"
    new = readme.replaced(text, DOCUMENT, path)
    assert new.startswith("before\n")
    assert new.endswith("\nafter\n")
    assert "\nold\n" not in new
    assert readme.source_of(new) == str(path)
    assert readme.replaced(new, DOCUMENT, path) == new
    with pytest.raises(SystemExit, match="no place for figures"):
        readme.replaced("before", DOCUMENT, path)


def test_the_figures_of_the_readme_are_those_of_the_result_it_names() -> None:
    text = (ROOT / "README.md").read_text()
    assert readme.BEGIN in text
    if named := readme.source_of(text):
        assert readme.replaced(text, results.read(ROOT / named), Path(named)) == text
