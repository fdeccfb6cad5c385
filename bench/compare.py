"""Instruction counts beside the committed ones: what rose, what is new, what is gone, and whether that is to fail."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ALLOWED = 0.05
# Below this a committed count stays: requests repeat to a few instructions, and a diff is to show what changed.
NOISE = 0.001
HEADING = f"{'':38} {'committed':>10} {'now':>10} {'change':>8}"


@dataclass(frozen=True)
class Row:
    """One count; None where there is none."""

    name: str
    committed: int | None
    now: int | None

    @property
    def change(self) -> float:
        if self.committed is None or self.now is None:
            return 0.0
        return (self.now - self.committed) / max(self.committed, 1)

    @property
    def fault(self) -> str:
        if self.committed is None:
            return "new"
        if self.now is None:
            return "gone"
        return "rose" if self.change > ALLOWED else ""

    def __str__(self) -> str:
        committed, now = ("" if count is None else f"{count:,}" for count in (self.committed, self.now))
        change = f"{self.change:+8.1%}" if abs(self.change) >= NOISE else f"{'':8}"
        return f"{self.name:38} {committed:>10} {now:>10} {change} {self.fault}".rstrip()


@dataclass(frozen=True)
class Comparison:
    """The counts of one combination of compiler, libraries and interpreter."""

    combination: str
    known: bool
    rows: list[Row]

    @property
    def faults(self) -> list[Row]:
        """Counts of a combination that was never committed cannot be wrong."""
        return [row for row in self.rows if row.fault] if self.known else []

    @property
    def fallen(self) -> list[Row]:
        return [row for row in self.rows if row.change < -ALLOWED]

    def lines(self) -> Iterator[str]:
        yield f"\n{self.combination}"
        if not self.known:
            yield "No counts of this combination are committed: nothing to compare with, nothing can fail."
        yield HEADING
        for row in self.rows:
            yield str(row) if self.known else f"{row.name:38} {'':10} {row.now or 0:10,}"


def compare(combination: str, committed: Mapping[str, int] | None, now: Mapping[str, int]) -> Comparison:
    """In the order of now, then what is gone."""
    before = committed or {}
    names = [*now, *(name for name in before if name not in now)]
    rows = [Row(name, before.get(name), now.get(name)) for name in names]
    return Comparison(combination, committed is not None, rows)


def advice(comparisons: list[Comparison]) -> Iterator[str]:
    """What is to be done, if anything."""
    faults = [row for comparison in comparisons for row in comparison.faults]
    fallen = [row for comparison in comparisons for row in comparison.fallen]
    if fallen:
        yield f"{len(fallen)} fell by more than {ALLOWED:.0%}: make bench-count UPDATE=1 keeps the gain."
    if faults:
        names = "; ".join(f"{row.name} ({row.fault})" for row in faults)
        yield f"Not as committed: {names}."
        yield "If that is meant: make bench-count UPDATE=1, and the commit says why."


def read(path: Path) -> dict[str, dict[str, int]]:
    """By combination, then by name."""
    return dict(json.loads(path.read_text())) if path.exists() else {}


def settled(before: Mapping[str, int], now: Mapping[str, int]) -> dict[str, int]:
    """What is to be committed."""
    return {name: before[name] if is_same(before.get(name), count) else count for name, count in now.items()}


def is_same(before: int | None, now: int) -> bool:
    return before is not None and abs(now - before) <= NOISE * before


def write(path: Path, combination: str, now: Mapping[str, int], *, part: bool = False) -> None:
    """Those of one combination. The others stay, and so do its own when only a part of them was counted."""
    every = read(path)
    before = every.get(combination, {})
    every[combination] = (before if part else {}) | settled(before, now)
    path.write_text(json.dumps(dict(sorted(every.items())), indent=2) + "\n")
