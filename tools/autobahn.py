"""Runs the fuzzing client of the Autobahn test suite against the server, and keeps its report of each case."""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "py"))

from support.process import Process

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "docs" / "autobahn.json"
FOLDER = ROOT / ".venvs" / "autobahn"
REQUIREMENTS = ROOT / "requirements" / "autobahn.txt"

# The last that makes environments for Python 2.7.
VIRTUALENV = "virtualenv==20.21.1"

# Without the cases that measure (9) and with the smallest of each kind of compression (12, 13): a minute.
SHORT = [
    *("1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"),
    *(f"12.{kind}.{size}" for kind in range(1, 6) for size in (1, 4)),
    *(f"13.{kind}.{size}" for kind in range(1, 8) for size in (1, 4)),
]

GOOD = {"OK", "NON-STRICT", "INFORMATIONAL"}

Verdicts = dict[str, tuple[str, str]]


def find_python() -> str | None:
    """A Python 2.7 that runs: on PATH, or of pyenv."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for path in (shutil.which("python2.7"), *map(str, sorted(root.glob("versions/2.7.*/bin/python")))):
        if path is not None and subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0:
            return path
    return None


def run(*command: str | Path) -> None:
    subprocess.run(list(command), check=True)


def install(python: str) -> Path:
    """The suite in an environment of Python 2.7, made by one of today's Python."""
    made = FOLDER / ".made"
    if made.exists() and made.read_text() == REQUIREMENTS.read_text():
        return FOLDER / "bin" / "wstest"
    maker = FOLDER.with_name("virtualenv")
    run(sys.executable, "-m", "venv", maker)
    run(maker / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", VIRTUALENV)
    run(maker / "bin" / "virtualenv", "--quiet", "--clear", "--python", python, FOLDER)
    run(FOLDER / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS)
    made.write_text(REQUIREMENTS.read_text())
    return FOLDER / "bin" / "wstest"


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """An application that sends back what it gets; the largest message of the suite has 16 MiB."""
    options = ("--port", "0", "--ws-max-size", "64m", "--no-access-log")
    with Process("support.served:app", *options, cwd=ROOT / "tests" / "py") as process:
        yield process.urls[0].replace("http", "ws")


def fuzz(wstest: Path, cases: list[str]) -> Verdicts:
    """What the suite's own report says of each case: how it went, and how it was closed."""
    with tempfile.TemporaryDirectory() as name, serving() as url:
        folder = Path(name)
        servers = [{"agent": "Velocem", "url": url}]
        spec = {"outdir": str(folder / "reports"), "servers": servers, "cases": cases, "exclude-cases": []}
        (folder / "spec.json").write_text(json.dumps(spec))
        with (folder / "log").open("wb") as log:
            command: list[str | Path] = [wstest, "-m", "fuzzingclient", "-s", folder / "spec.json"]
            subprocess.run(command, check=True, cwd=folder, stdout=log, stderr=log)
        found = json.loads((folder / "reports" / "index.json").read_text())["Velocem"]
    return {case: (found[case]["behavior"], found[case]["behaviorClose"]) for case in sorted(found, key=in_order)}


def in_order(case: str) -> list[int]:
    return [int(part) for part in case.split(".")]


def keep(verdicts: Verdicts) -> None:
    """One line a case, so that a difference shows."""
    suite = next(line for line in REQUIREMENTS.read_text().splitlines() if line.startswith("autobahntestsuite=="))
    lines = [f'    "{case}": {json.dumps(verdict)}' for case, verdict in verdicts.items()]
    head = f'{{\n  "suite": "{suite}",\n  "case": ["behavior", "behaviorClose"],\n  "cases": {{\n'
    KEPT.write_text(head + ",\n".join(lines) + "\n  }\n}\n")


def main() -> int:
    """Exit status 1 when a case is neither OK nor what the suite lets pass."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="leave out what takes long; nothing is kept")
    parser.add_argument("cases", nargs="*", help="cases of the suite, as 7.1.3 or 12.*; nothing is kept")
    arguments = parser.parse_args()
    python = find_python()
    if python is None:
        print("The Autobahn test suite needs Python 2.7, which is not here: passed over.")
        return 0
    cases = arguments.cases or (SHORT if arguments.short else ["*"])
    verdicts = fuzz(install(python), cases)
    for name, place in (("behavior", 0), ("behaviorClose", 1)):
        count = Counter(verdict[place] for verdict in verdicts.values())
        print(f"{len(verdicts)} cases, {name}: " + ", ".join(f"{key} {number}" for key, number in count.most_common()))
    if cases == ["*"]:
        keep(verdicts)
    bad = {case: verdict for case, verdict in verdicts.items() if not GOOD.issuperset(verdict)}
    for case, verdict in bad.items():
        print(f"{case}: {verdict[0]}, closed {verdict[1]}")
    return 1 if bad or not verdicts else 0


if __name__ == "__main__":
    sys.exit(main())
