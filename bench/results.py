"""The file of a run: what was measured, on what, with which versions and options."""

import datetime as dt
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from entrants import BENCH, Entrant

ROOT = BENCH.parent
FOLDER = BENCH / "results"
FORMAT = 2
DIGITS = 5  # that a measured number keeps


def output_of(*command: str) -> str:
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    return result.stdout.strip()


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def machine() -> dict[str, Any]:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory": f"{pages / (1 << 30):.0f} GiB",
        "kernel": platform.release(),
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", "unknown"),
        "libc": "-".join(platform.libc_ver()),
    }


def commit() -> str:
    """With a mark when what is measured is not what is committed."""
    name = output_of("git", "rev-parse", "--short", "HEAD") or "unknown"
    changed = output_of("git", "status", "--porcelain", "--", "src", "velocem", "meson.build", "bench", "requirements")
    names = [line[3:] for line in changed.splitlines() if "bench/results" not in line]
    return name + ("-changed" if names else "")


def python_of(python: Path) -> str:
    """The version of an environment, by its own record."""
    config = python.parent.parent / "pyvenv.cfg"
    if not config.exists():
        return output_of(str(python), "-c", "import platform; print(platform.python_version())")
    fields = dict(line.split(" = ", 1) for line in config.read_text().splitlines() if " = " in line)
    return fields.get("version", "unknown")


def packages_of(python: Path) -> dict[str, str]:
    """Name and version of what is installed in an environment, by the names of the folders that say so."""
    found = python.parent.parent.glob("lib/python*/site-packages/*.dist-info")
    pairs = (path.name.removesuffix(".dist-info").rpartition("-") for path in found)
    return dict(sorted((name, version) for name, _, version in pairs if name != "pip"))


def about(entrant: Entrant, python: Path) -> dict[str, Any]:
    known: dict[str, Any] = {
        "about": entrant.about,
        "kind": entrant.kind,
        "interface": entrant.interface,
        "ours": entrant.ours,
        "command": list(entrant.command),
        "env": dict(entrant.env),
    }
    if entrant.interface != "limit":
        known |= {"python": python_of(python), "packages": packages_of(python)}
    return known


def rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, Mapping):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list) else value


def document(
    results: Mapping[str, Any],
    entrants: Iterable[Entrant],
    pythons: Mapping[str, Path],
    unavailable: Mapping[str, str],
    options: Mapping[str, Any],
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "options": dict(options),
        "entrants": {entrant.name: about(entrant, pythons[entrant.name]) for entrant in entrants},
        "unavailable": dict(unavailable),
        "scenarios": rounded(results),
    }


def write(document: Mapping[str, Any], folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{document['date'][:10]}-{document['commit']}.json"
    path.write_text(json.dumps(document, separators=(",", ":")).replace('"samples":', '\n"samples":') + "\n")
    return path


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    if found.get("format") != FORMAT:
        raise SystemExit(f"bench: {path} is of another format than this report reads")
    return found


def newest(folder: Path) -> Path:
    """By the date inside: two runs of one day are named by their commits."""
    files = [path for path in folder.glob("*.json") if json.loads(path.read_text()).get("format") == FORMAT]
    if not files:
        raise SystemExit(f"bench: no result in {folder}; make bench writes one")
    return max(files, key=lambda path: str(json.loads(path.read_text())["date"]))
