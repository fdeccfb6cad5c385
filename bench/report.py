"""Turns samples into medians, a table, a JSON document and a Markdown page."""

import datetime as dt
import json
import os
import platform
import statistics
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
Sample = dict[str, float]
COLUMNS = ("", "us", "user", "sys", "of limit", "spread", "of velocem", "per second")


def ratios(taken: list[Sample], base: list[Sample] | None) -> list[float]:
    """Inside each round; a server that dropped out has none."""
    return [a["us"] / b["us"] for a, b in zip(taken, base, strict=True)] if base and len(base) == len(taken) else []


def row(name: str, samples: dict[str, list[Sample]]) -> list[str]:
    taken = samples[name]

    def middle(value: Callable[[Sample], float]) -> float:
        return statistics.median(value(sample) for sample in taken)

    us = middle(lambda s: s["us"])
    # The tick samples the split a few hundred times a second: its mean over all rounds, not a median of rough ones.
    share = sum(s["user"] for s in taken) / sum(s["us"] for s in taken)
    of_limit, of_velocem = ratios(taken, samples.get("limit")), ratios(taken, samples.get("velocem"))
    quarters = statistics.quantiles(of_limit, n=4) if len(of_limit) > 1 else []
    return [
        name,
        f"{us:.2f}",
        f"{us * share:.2f}",
        f"{us * (1 - share):.2f}",
        f"x{statistics.median(of_limit):.2f}" if of_limit else "-",
        f"{quarters[0]:.2f}-{quarters[2]:.2f}" if quarters else "-",
        f"x{statistics.median(of_velocem):.2f}" if of_velocem else "-",
        f"{middle(lambda s: s['rate']):,.0f}",
    ]


def rows(result: dict[str, Any]) -> list[list[str]]:
    if "bytes" in result:
        return [["", "bytes"], *([name, f"{size:,.0f}"] for name, size in result["bytes"].items())]
    samples = result["samples"]
    return [list(COLUMNS), *(row(name, samples) for name in samples if samples[name])]


def left_out(result: dict[str, Any]) -> list[str]:
    return [f"{name}: {reason}" for name, reason in result["left_out"].items()]


def heading(result: dict[str, Any]) -> str:
    what = "bytes" if "bytes" in result else "CPU microseconds"
    return f"{result['title']} ({what} per {result['unit']})"


def table(result: dict[str, Any]) -> str:
    """For a terminal."""
    cells = rows(result)
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in cells
    ]
    return "\n".join(["", heading(result), *lines, *left_out(result)])


def markdown(document: dict[str, Any]) -> str:
    about = ", ".join(f"{key} {value}" for key, value in document["machine"].items())
    lines = [
        f"# Measured {document['date']}, commit {document['commit']}",
        "",
        about,
        "",
        "The spread is the middle half of the rounds.",
        "",
    ]
    for result in document["scenarios"].values():
        head, *body = rows(result)
        lines += [f"## {heading(result)}", ""]
        lines += ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
        lines += ["| " + " | ".join(line) + " |" for line in body]
        lines += ["", *(f"Left out: {line}  " for line in left_out(result)), ""]
    lines += [f"Not to be had here: {name}: {reason}  " for name, reason in document["unavailable"].items()]
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def output_of(*command: str) -> str:
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    return result.stdout.strip()


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def document(results: dict[str, Any], unavailable: dict[str, str], pythons: dict[str, str]) -> dict[str, Any]:
    commit = output_of("git", "rev-parse", "--short", "HEAD") or "unknown"
    changed = bool(output_of("git", "status", "--porcelain", "--", "src", "velocem", "meson.build"))
    versions = {
        name: output_of(python, "-c", "import platform; print(platform.python_version())")
        for name, python in pythons.items()
        if name != "limit"
    }
    return {
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "commit": commit + ("-changed" if changed else ""),
        "machine": {"processor": processor(), "cores": os.cpu_count(), "kernel": platform.release()},
        "pythons": versions,
        "scenarios": results,
        "unavailable": unavailable,
    }


def write(document: dict[str, Any], folder: Path) -> str:
    """The names of the files written."""
    folder.mkdir(parents=True, exist_ok=True)
    base = folder / f"{document['date'][:10]}-{document['commit']}"
    base.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n")
    base.with_suffix(".md").write_text(markdown(document))
    return f"\n{base}.json\n{base}.md"
