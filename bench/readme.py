"""The figures of the README, written from the file of a run: its charts, a table, and where a peer is ahead."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tables
from scenarios import BY_NAME
from tables import FLOOR, Known, Row

BEGIN, END = "<!-- figures: written by make bench-report ARGS=--readme -->", "<!-- end of figures -->"
CHARTS = ("hello", "headers", "pipelined", "grow-connections")
ROWS = ("hello", "headers", "pipelined", "post-1k", "close", "out-100k", "file", "chunks", "idle", "memory", "start")
PEERS = ("japronto", "fastwsgi", "fastpysgi", "bjoern", "granian", "granian-rsgi", "socketify", "uvicorn", "gunicorn")
AHEAD = 0.97  # of Velocem's cost; what is nearer is within the spread of most rows

Document = Mapping[str, Any]


def ours_first(rows: Iterable[Row], known: Known) -> Row | None:
    return next((row for row in rows if known[row.name]["ours"]), None)


def line(name: str, result: Mapping[str, Any], known: Known, peers: list[str]) -> str | None:
    """One scenario: what Velocem costs, and the others as factors of it."""
    rows = {row.name: row for row in tables.rows(result, known)}
    ours = ours_first(rows.values(), known)
    if ours is None:
        return None
    unit = {"memory": " B", "start": " ms"}.get(result["way"], " us")
    factors = [tables.factor(rows[peer].of_ours) if peer in rows else "" for peer in (FLOOR, *peers)]
    per = f", per {result['unit']}" if result["unit"] == "MiB" else ""
    return f"| {BY_NAME[name].title}{per} | {tables.number(ours.value.median)}{unit} | " + " | ".join(factors) + " |"


def table(document: Document) -> list[str]:
    known, scenarios = document["entrants"], document["scenarios"]
    measured = {peer for name in ROWS for peer in scenarios.get(name, {}).get("entrants", {})}
    peers = [peer for peer in PEERS if peer in measured]
    lines = [line(name, scenarios[name], known, peers) for name in ROWS if name in scenarios]
    head = ["", "Velocem", FLOOR, *peers]
    return ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|", *filter(None, lines)]


def ahead(document: Document) -> list[str]:
    """Every peer that costs less than Velocem, in any scenario."""
    known = document["entrants"]
    lines = []
    for result in document["scenarios"].values():
        rows = [
            row
            for row in tables.rows(result, known)
            if row.of_ours and row.of_ours.median < AHEAD and row.name != FLOOR and not known[row.name]["ours"]
        ]
        rows.sort(key=lambda row: row.of_ours.median if row.of_ours else 0.0)
        if rows:
            told = ", ".join(f"{row.name} {tables.factor(row.of_ours)}" for row in rows)
            lines.append(f"- {result['title']}: {told}")
    return lines


def block(document: Document, path: Path) -> str:
    """path: of the result, as seen from the README."""
    machine, name = document["machine"], path.with_suffix("")
    pictures = {chart for chart in CHARTS if chart in document["scenarios"] or chart.startswith("grow-")}
    place = f"{machine['processor']}, {machine['cores']} cores, Linux {machine['kernel']}"
    lines = [
        BEGIN,
        f"Measured {document['date'][:10]} on {place}; all tables and charts are in",
        f"[{name.name}.md]({name}.md), every round in [{path.name}]({path}). The table has",
        "the CPU time of the server for Velocem, and what the others cost as a factor of it (by the same interface,",
        "where Velocem has it): below 1x somebody is ahead. `limit` is a bare C epoll server that parses nothing.",
        "",
        *(f"![{chart}]({name}/{chart}.svg)" for chart in CHARTS if chart in pictures),
        "",
        *table(document),
        "",
    ]
    if behind := ahead(document):
        lines += ["Where a peer is ahead in this run:", "", *behind, ""]
    if document["unavailable"]:
        lines += [f"Not to be had on that machine: {', '.join(document['unavailable'])}.", ""]
    return "\n".join([*lines[:-1], END])


def replaced(text: str, document: Document, path: Path) -> str:
    """The README with its figures from this run."""
    pattern = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    if not pattern.search(text):
        raise SystemExit(f"bench: the README has no place for figures, between {BEGIN} and {END}")
    return pattern.sub(lambda _: block(document, path), text)


def source_of(text: str) -> str | None:
    """The result that the README's figures name."""
    found = re.search(re.escape(BEGIN) + r".*?\]\((\S+\.json)\)", text, re.DOTALL)
    return found[1] if found else None
