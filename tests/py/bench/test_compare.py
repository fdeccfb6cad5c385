"""Instruction counts beside the committed ones: what fails, what is only said, what an update writes."""

from pathlib import Path

import compare
import pytest

MACHINE = "x86_64 avx2, gcc 12.2.0"
COMMITTED = {"head parse": 1000, "date format": 200}


def faults(now: dict[str, int], committed: dict[str, int] | None = COMMITTED) -> dict[str, str]:
    return {row.name: row.fault for row in compare.compare(MACHINE, committed, now).faults}


def said(now: dict[str, int], committed: dict[str, int] | None = COMMITTED) -> str:
    comparison = compare.compare(MACHINE, committed, now)
    return "\n".join([*comparison.lines(), *compare.advice([comparison])])


def test_same_counts_pass_without_advice() -> None:
    assert faults(dict(COMMITTED)) == {}
    assert list(compare.advice([compare.compare(MACHINE, COMMITTED, COMMITTED)])) == []


@pytest.mark.parametrize(("now", "fault"), [(1001, ""), (1050, ""), (1051, "rose"), (2000, "rose"), (1, "")])
def test_rise_over_five_percent_fails(now: int, fault: str) -> None:
    assert faults({**COMMITTED, "head parse": now}).get("head parse", "") == fault


def test_advice_names_what_rose_and_how_to_own_up_to_it() -> None:
    text = said({**COMMITTED, "head parse": 1200})
    assert "head parse (rose)" in text
    assert "date format (" not in text
    assert "UPDATE=1" in text
    assert "+20.0%" in text


def test_fall_passes_and_is_told() -> None:
    now = {**COMMITTED, "head parse": 900}
    assert faults(now) == {}
    assert "1 fell by more than 5%" in said(now)
    assert "fell" not in said({**COMMITTED, "head parse": 960})


def test_new_name_fails_until_it_is_committed() -> None:
    assert faults({**COMMITTED, "frame unmask": 60}) == {"frame unmask": "new"}


def test_missing_name_fails_until_it_is_taken_out() -> None:
    assert faults({"head parse": 1000}) == {"date format": "gone"}


def test_unknown_combination_prints_its_counts_and_passes() -> None:
    now = {"head parse": 123456}
    assert faults(now, None) == {}
    text = said(now, None)
    assert "No counts of this combination are committed" in text
    assert "123,456" in text
    assert "UPDATE=1" not in text


def test_combination_without_a_single_count_is_known() -> None:
    assert faults({"head parse": 1}, {}) == {"head parse": "new"}


def test_rise_from_nothing_is_a_rise() -> None:
    assert faults({"free": 1}, {"free": 0}) == {"free": "rose"}
    assert faults({"free": 0}, {"free": 0}) == {}


def test_rows_stand_in_the_order_they_were_counted_with_what_is_gone_behind() -> None:
    rows = compare.compare(MACHINE, {"gone": 1, "b": 2}, {"c": 3, "b": 2}).rows
    assert [row.name for row in rows] == ["c", "b", "gone"]


def test_update_leaves_other_combinations_and_drops_what_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "counts.json"
    assert compare.read(path) == {}
    compare.write(path, "another machine", {"head parse": 5})
    compare.write(path, MACHINE, COMMITTED)
    compare.write(path, MACHINE, {"head parse": 1100})
    assert compare.read(path) == {"another machine": {"head parse": 5}, MACHINE: {"head parse": 1100}}
    assert path.read_text().endswith("}\n")


def test_update_of_a_part_keeps_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "counts.json"
    compare.write(path, MACHINE, COMMITTED)
    compare.write(path, MACHINE, {"head parse": 1100}, part=True)
    assert compare.read(path) == {MACHINE: {"date format": 200, "head parse": 1100}}


def test_update_does_not_write_noise(tmp_path: Path) -> None:
    path = tmp_path / "counts.json"
    compare.write(path, MACHINE, {"request": 10_000, "date format": 200, "free": 0})
    compare.write(path, MACHINE, {"request": 10_010, "date format": 201, "free": 1})
    assert compare.read(path) == {MACHINE: {"request": 10_000, "date format": 201, "free": 1}}
