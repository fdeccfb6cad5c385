"""The table of one scenario: its rows as text, for a terminal and for Markdown."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from figures import Middle, base_of, middle, ratios, user_share

Known = Mapping[str, Mapping[str, Any]]  # what is known of the entrants, by name
CLIENT_BOUND = 0.95  # of its cores that the load used: the server could perhaps have done more
FLOOR = "limit"
# What is compared, by how it is measured, and how a heading calls it.
KEYS = {
    "memory": ("bytes", "bytes"),
    "start": ("ms", "milliseconds"),
    "open": ("p99", "microseconds, from the time a request was due"),
}
CPU = ("us", "CPU microseconds")


@dataclass(frozen=True)
class Row:
    """One entrant in one scenario."""

    name: str
    value: Middle
    of_ours: Middle | None  # its cost as a factor of Velocem's, inside each round
    of_floor: Middle | None
    samples: list[dict[str, float]]
    latency: Mapping[str, float]


def key_of(result: Mapping[str, Any]) -> str:
    return KEYS.get(result["way"], CPU)[0]


def rows(result: Mapping[str, Any], known: Known) -> list[Row]:
    """In the order of the run: Velocem, the floor, the others."""
    key, entrants = key_of(result), result["entrants"]
    found: list[Row] = []
    for name, entrant in entrants.items():
        samples = entrant["samples"]
        value = middle([sample[key] for sample in samples])
        if value is None:
            continue
        base = base_of(name, known, entrants)
        of_ours = middle(ratios(samples, entrants[base]["samples"], key)) if base else None
        floor = entrants.get(FLOOR)
        of_floor = middle(ratios(samples, floor["samples"], key)) if floor else None
        found.append(Row(name, value, of_ours, of_floor, samples, entrant.get("latency", {})))
    return found


def number(value: float) -> str:
    """Three digits that count."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 1 or value == 0 else f"{value:.2g}"


def factor(of: Middle | None) -> str:
    return f"{of.median:.2f}x" if of else "-"


def spread(of: Middle | None) -> str:
    return f"{of.low:.2f}-{of.high:.2f}" if of else "-"


def rate(samples: list[dict[str, float]]) -> str:
    """Marked where the client could not ask for more."""
    found = middle([sample["rate"] for sample in samples])
    bound = middle([sample.get("client", 0.0) for sample in samples])
    assert found is not None
    assert bound is not None
    return (">" if bound.median > CLIENT_BOUND else "") + number(found.median)


def split(row: Row) -> list[str]:
    """The user and the system part of the median."""
    share = user_share(row.samples)
    if share is None:
        return ["-", "-"]
    return [number(row.value.median * share), number(row.value.median * (1 - share))]


def compared(row: Row) -> list[str]:
    return [factor(row.of_ours), spread(row.of_ours)]


def cells_of(way: str, row: Row) -> list[str]:
    median = number(row.value.median)
    if way in {"memory", "start"}:
        more = [number(cpu.median)] if (cpu := middle([s["cpu_ms"] for s in row.samples if "cpu_ms" in s])) else []
        return [row.name, median, *more, *compared(row)]
    if way == "open":
        return [row.name, *(number(row.latency[name]) for name in ("p50", "p99", "p99.9", "max")), *compared(row)]
    if way == "itself":
        return [row.name, median, *compared(row), rate(row.samples)]
    times = [number(row.latency[name]) if name in row.latency else "-" for name in ("p50", "p99", "p99.9")]
    return [row.name, median, *split(row), factor(row.of_floor), *compared(row), rate(row.samples), *times]


HEADS = {
    "memory": ["", "bytes", "velocem 1x", "spread"],
    "start": ["", "ms", "cpu ms", "velocem 1x", "spread"],
    "open": ["", "p50", "p99", "p99.9", "max", "p99, velocem 1x", "spread"],
    "itself": ["", "us", "velocem 1x", "spread", "per second"],
}
HEAD = ["", "us", "user", "sys", "limit 1x", "velocem 1x", "spread", "per second", "p50", "p99", "p99.9"]


def cells(result: Mapping[str, Any], known: Known) -> list[list[str]]:
    way = result["way"]
    return [HEADS.get(way, HEAD), *(cells_of(way, row) for row in rows(result, known))]


def heading(result: Mapping[str, Any]) -> str:
    what = KEYS.get(result["way"], CPU)[1]
    unit = "" if result["way"] in {"open", "start"} else f" per {result['unit']}"
    return f"{result['title']} ({what}{unit})"


def left_out(result: Mapping[str, Any]) -> list[str]:
    return [f"{name}: {reason}" for name, reason in result["left_out"].items()]


def lost(result: Mapping[str, Any]) -> list[str]:
    """Those who lost a few; with many they would have been left out."""
    sums = {name: sum(s.get("lost", 0) for s in entrant["samples"]) for name, entrant in result["entrants"].items()}
    return [f"{name}: {count} requests had no answer, or no whole one" for name, count in sums.items() if count]


def aligned(lines: list[list[str]]) -> list[str]:
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return [
        "  ".join(
            [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]
        )
        for line in lines
    ]


def text(result: Mapping[str, Any], known: Known) -> str:
    """For a terminal."""
    lines = aligned(cells(result, known)) if result["entrants"] else ["nobody was measured"]
    return "\n".join(["", heading(result), *lines, *lost(result), *left_out(result)])


def markdown(result: Mapping[str, Any], known: Known) -> list[str]:
    head, *body = cells(result, known)
    lines = [f"### {heading(result)}", ""]
    if body:
        lines += ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
        lines += ["| " + " | ".join(line) + " |" for line in body]
    return [
        *lines,
        "",
        *(f"{line}  " for line in lost(result)),
        *(f"Left out: {line}  " for line in left_out(result)),
        "",
    ]
