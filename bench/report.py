"""Turns the file of a run into a Markdown page and SVG charts, in a folder of the same name beside it."""

import argparse
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import readme
import results
import tables
from asked import as_size
from charts import Bar, Curve, Looks, Panel, bars, curves, short
from figures import user_share
from tables import FLOOR, Known, Row

Result = Mapping[str, Any]
# Groups that are drawn as one picture, and its title.
TOGETHER = {
    "websocket": "WebSocket echo",
    "open": "Latency at a fixed rate",
    "frameworks": "Frameworks",
    "pages": "A real page",
    "loops": "Event loops: echo",
    "loops-inside": "Event loops: calls, timers, tasks",
    "routers": "Routers",
}
GROWTH = {
    "grow-connections": ("connections", "Cost of a request by the number of connections"),
    "grow-fields": ("header fields", "Cost of a request by the number of its header fields"),
    "grow-in": ("bytes in the request's body", "Cost of a request by the size of its body"),
    "grow-out": ("bytes in the answer's body", "Cost of an answer by its size"),
    "grow-routes": ("routes", "Cost of routing by the number of routes"),
}
ABOUT = {
    "memory": "Bytes that an idle kept-alive connection holds.",
    "start": "Milliseconds from the start of the process to its first right answer.",
    "open": "Microseconds to the answer of 99 in 100 requests, counted from when each was due.",
    "itself": "CPU microseconds per operation.",
}
CPU = "CPU microseconds of the server per {unit}."
HOW_TO_READ = """\
Costs are CPU time of the server. The columns *velocem 1x* and *limit 1x* are the cost as a factor of Velocem's (by the
same interface, where it has it) and of the floor's, taken inside each round: the median of the rounds, and as the
spread the middle half of Velocem's. Latencies are microseconds. A rate with > was bound by the client."""
SPREAD = "The line at a bar's end is the middle half of the rounds."


def looks_of(name: str, known: Known) -> Looks:
    return "ours" if known[name]["ours"] else "floor" if name == FLOOR else "peer"


def bar_of(row: Row, known: Known, way: str) -> Bar:
    value = row.value.median
    ratio = row.of_ours or row.of_floor
    low, high = (ratio.low / ratio.median, ratio.high / ratio.median) if ratio and ratio.median > 0 else (1.0, 1.0)
    dark = user_share(row.samples) if way not in tables.KEYS and way != "itself" else None
    factor = tables.factor(row.of_ours) if row.of_ours else ""
    return Bar(
        row.name, value, value * low, value * high, tables.number(value), factor, looks_of(row.name, known), dark
    )


def panel_of(result: Result, known: Known, heading: str = "") -> Panel:
    """The cheapest first."""
    rows = sorted(tables.rows(result, known), key=lambda row: row.value.median)
    return Panel(heading, tuple(bar_of(row, known, result["way"]) for row in rows))


def heading(result: Result) -> str:
    """Inside a picture of loops nobody needs to be told that it is one."""
    return str(result["title"]).removeprefix("loop: ").removeprefix("router: ")


def about(result: Result) -> str:
    text = ABOUT.get(result["way"], CPU.format(unit=result["unit"]))
    return text if result["way"] == "memory" else f"{text} {SPREAD}"


def curves_of(some: list[Result], known: Known) -> list[Curve]:
    """Velocem first."""
    points: dict[str, list[tuple[float, float, float, float]]] = {}
    for result in sorted(some, key=lambda result: result["point"]):
        for row in tables.rows(result, known):
            value = row.value
            points.setdefault(row.name, []).append((result["point"], value.median, value.low, value.high))
    names = sorted(points, key=lambda name: (not known[name]["ours"], name != FLOOR))
    return [Curve(name, tuple(points[name]), looks_of(name, known)) for name in names]


def by_group(scenarios: Mapping[str, Result]) -> dict[str, list[Result]]:
    """Groups that share a picture; a scenario without one is a group by itself."""
    groups: dict[str, list[Result]] = {}
    for name, result in scenarios.items():
        group = result["group"] + ("-inside" if result["group"] == "loops" and result["way"] == "itself" else "")
        groups.setdefault(group if group in TOGETHER or group in GROWTH else name, []).append(result)
    return groups


def size_of(value: float) -> str:
    return as_size(round(value))


def chart(group: str, some: list[Result], known: Known) -> str | None:
    """None when nobody was measured."""
    some = [result for result in some if result["entrants"]]
    if not some:
        return None
    if group in GROWTH:
        x_label, title = GROWTH[group]
        text = "CPU microseconds per " + some[0]["unit"] + "; both scales are logarithmic."
        name_of = size_of if "bytes" in x_label else short
        return curves(title, text, (x_label, "us"), curves_of(some, known), name_of)
    if group in TOGETHER:
        return bars(TOGETHER[group], about(some[0]), [panel_of(result, known, heading(result)) for result in some])
    return bars(some[0]["title"], about(some[0]), [panel_of(some[0], known)])


def charts(document: Mapping[str, Any]) -> dict[str, str]:
    """By the name of their file, without its end."""
    drawn = {group: chart(group, some, document["entrants"]) for group, some in by_group(document["scenarios"]).items()}
    return {name: svg for name, svg in drawn.items() if svg is not None}


def listed(names: Iterable[str], document: Mapping[str, Any]) -> list[str]:
    """Interpreter, packages and options of the entrants."""
    lines = ["| Entrant | | Python | Packages | Command |", "|---|---|---|---|---|"]
    for name in names:
        entrant = document["entrants"][name]
        packages = ", ".join(f"{package} {version}" for package, version in entrant.get("packages", {}).items())
        command = " ".join(entrant["command"]).replace("|", "\\|").replace("\n", " ").strip()
        lines.append(f"| {name} | {entrant['about']} | {entrant.get('python', '')} | {packages} | `{command}` |")
    return lines


def page(document: Mapping[str, Any], pictures: Iterable[str], folder: str) -> str:
    machine = ", ".join(f"{key} {value}" for key, value in document["machine"].items())
    lines = [f"# Measured {document['date'][:10]}, commit {document['commit']}", "", machine, ""]
    lines += [HOW_TO_READ, ""]
    for group, some in by_group(document["scenarios"]).items():
        title = TOGETHER.get(group) or (GROWTH[group][1] if group in GROWTH else some[0]["title"])
        lines += [f"## {title}", ""]
        if group in pictures:
            lines += [f"![{title}]({folder}/{group}.svg)", ""]
        for result in some:
            lines += tables.markdown(result, document["entrants"])
    lines += ["## Who was measured", "", *listed(document["entrants"], document), ""]
    if document["unavailable"]:
        lines += ["Not to be had on this machine:", ""]
        lines += [f"- {name}: {reason}" for name, reason in document["unavailable"].items()] + [""]
    return "\n".join(lines).replace("\n\n\n", "\n\n")


def write(path: Path) -> list[Path]:
    document = results.read(path)
    folder = path.with_suffix("")
    pictures = charts(document)
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.svg"):
        old.unlink()
    written = [path.with_suffix(".md")]
    for name, svg in pictures.items():
        written.append(folder / f"{name}.svg")
        written[-1].write_text(svg)
    written[0].write_text(page(document, pictures, folder.name))
    return written


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-report ARGS=", description=__doc__.splitlines()[0])
    parser.add_argument("result", type=Path, nargs="?", help="the file of a run; the newest if none is given")
    parser.add_argument("--readme", action="store_true", help="its figures into the README too")
    options = parser.parse_args()
    path = (options.result or results.newest(results.FOLDER)).resolve()
    for written in write(path):
        print(written)
    if options.readme:
        front = results.ROOT / "README.md"
        front.write_text(readme.replaced(front.read_text(), results.read(path), path.relative_to(results.ROOT)))
        print(front)
    return 0


if __name__ == "__main__":
    sys.exit(main())
