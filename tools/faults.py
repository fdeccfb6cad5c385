"""Runs the fault tests in their full form, and writes what they tell into docs/reliability.md."""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->\n"


def run(minutes: float, figures: Path, rest: list[str]) -> int:
    env = dict(os.environ, FAULTS="full", FAULTS_MINUTES=str(minutes), FAULTS_FIGURES=str(figures))
    command: list[str | Path] = [
        Path(sys.executable).with_name("pytest"),
        "tests/faults",
        "-q",
        f"--timeout={600 + minutes * 60}",
        *rest,
    ]
    return subprocess.run(command, env=env, cwd=ROOT, check=False).returncode


def table(figures: Path) -> str:
    rows = [json.loads(line) for line in figures.read_text().splitlines()]
    machine = (
        f"CPython {platform.python_version()}, Linux {platform.release().partition('-')[0]}, {os.cpu_count()} cores"
    )
    lines = ["| fault | figure |", "|---|---|", *(f"| {fault} | {figure} |" for fault, figure in rows)]
    return "\n".join(lines) + f"\n\n{machine}.\n"


def rewrite(figures: Path) -> None:
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(before + BEGIN + table(figures) + END + after)


def main(arguments: list[str]) -> int:
    """Only a run in which all is well is written down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="of the soak")
    options, rest = parser.parse_known_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        figures = Path(folder) / "figures"
        status = run(options.minutes, figures, rest)
        if status == 0 and not rest:
            rewrite(figures)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
