"""Runs the Python tests under every other CPython >= 3.11 of the machine, each in an environment of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 11)
NEWEST_TO_LOOK_FOR = 14

# What is the same under every interpreter: the benchmark, which the machine's python3 runs alone whatever it measures,
# the sources, the protocol below Python, processes that are broken from outside, and what stands in front of them.
SAME = (
    "tests/py/bench",
    "tests/source",
    "tests/conformance/http1",
    "tests/faults",
    "tests/conformance/apps",
    "tests/fronts",
)
# As the Makefile's TWO.
PYTEST = ("-q", "-n", "2", "--dist", "loadfile")

PROBE = """
import importlib.util, json, os, platform, sys, sysconfig
header = os.path.join(sysconfig.get_path("include"), "Python.h")
reason = ""
if not os.path.exists(header): reason = "no headers: " + header
elif not all(map(importlib.util.find_spec, ("venv", "ensurepip"))): reason = "no venv"
elif sysconfig.get_config_var("Py_GIL_DISABLED"): reason = "without the GIL, which is not supported"
print(json.dumps([list(sys.version_info[:3]), platform.python_implementation(), sys.executable, reason]))
"""


class Interpreter(NamedTuple):
    """One that answered."""

    version: tuple[int, int, int]
    implementation: str
    path: str
    reason: str  # why it cannot be used, or empty


def candidates() -> Iterator[str]:
    """On PATH by name, then those of pyenv."""
    for minor in range(OLDEST[1], NEWEST_TO_LOOK_FOR + 1):
        for folder in os.environ.get("PATH", "").split(os.pathsep):
            path = Path(folder) / f"python3.{minor}"
            if path.is_file():
                yield str(path)
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(map(str, root.glob("versions/*/bin/python")), reverse=True)


def probe(path: str) -> Interpreter | None:
    """None for what does not run: a shim of pyenv without its version."""
    result = subprocess.run([path, "-c", PROBE], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        return None
    version, implementation, executable, reason = json.loads(result.stdout)
    return Interpreter((version[0], version[1], version[2]), implementation, executable, reason)


def others() -> list[Interpreter]:
    """The first usable one of each minor version, without the one that runs this."""
    found: dict[tuple[int, int], Interpreter] = {}
    for path in candidates():
        interpreter = probe(path)
        if interpreter is None or interpreter.implementation != "CPython" or interpreter.version < OLDEST:
            continue
        minor = interpreter.version[:2]
        if minor != sys.version_info[:2] and (minor not in found or found[minor].reason):
            found[minor] = interpreter
    return [found[minor] for minor in sorted(found)]


def run(*command: str | Path, env: dict[str, str] | None = None) -> None:
    subprocess.run(list(command), check=True, cwd=ROOT, env=env)


def environment(interpreter: Interpreter) -> Path:
    """A virtual environment with the tests' packages and the present sources, built for the interpreter."""
    name = "py{}.{}".format(*interpreter.version)
    folder = ROOT / ".venvs" / name
    python = folder / "bin" / "python"
    if not python.exists():
        run(interpreter.path, "-m", "venv", folder)
    pip: list[str | Path] = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run(*pip, "-r", "requirements/build.txt", "-r", "requirements/test.txt")
    tools = dict(os.environ, PATH=f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
    (ROOT / "build").mkdir(exist_ok=True)
    again = ("--no-deps", "--no-build-isolation", "--force-reinstall", f"-Cbuild-dir=build/{name}")
    run(*pip, *again, ".", env=tools)
    return folder


def main() -> int:
    """Exit status 0 when every interpreter that can be used passes."""
    failed: list[str] = []
    interpreters = others()
    if not interpreters:
        print("No other CPython here: the tests ran under one.")
    for interpreter in interpreters:
        label = "CPython {}.{}.{}".format(*interpreter.version)
        if interpreter.reason:
            print(f"{label} skipped: {interpreter.reason}", flush=True)
            continue
        print(f"{label} ({interpreter.path})", flush=True)
        try:
            run(environment(interpreter) / "bin" / "pytest", *PYTEST, *(f"--ignore={path}" for path in SAME))
        except subprocess.CalledProcessError as error:
            failed.append(f"{label}: {Path(error.cmd[0]).name} failed with {error.returncode}")
    print("\n".join(failed), end="\n" if failed else "")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
