"""Puts each entrant into an environment of its own, .venvs/bench-<name>, once for its pinned requirements."""

import functools
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from entrants import Entrant

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements" / "bench"


class UnavailableError(Exception):
    """An entrant that cannot be had on this machine; the text is the reason."""


def interpreters(version: str) -> Iterator[str]:
    """Those of a version: on PATH, then under pyenv."""
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        path = Path(folder) / f"python{version}"
        # A shim of pyenv is a file too, and fails when its version is not switched on.
        if path.is_file() and subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0:
            yield str(path)
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(map(str, root.glob(f"versions/{version}.*/bin/python")), reverse=True)


def reason_of(output: str) -> str:
    """The line of pip's or a server's output that says most: the last that speaks of an error."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [
        line for line in lines if "error" in line.lower() and "subprocess" not in line and "metadata" not in line
    ]
    return (telling or lines or ["no message"])[-1][:200]


def run(command: list[str | Path], env: dict[str, str] | None = None) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=env)
    if result.returncode != 0:
        raise UnavailableError(reason_of(result.stdout + result.stderr))


def has_own_pip(interpreter: str) -> bool:
    """Ours serves the newer ones, and making one for each environment takes longer than what most of them install."""
    return re.search(r"python3\.([0-9]|10)\b", interpreter) is not None


def pip(python: Path, *arguments: str | Path, env: dict[str, str] | None = None) -> None:
    own = (python.parent / "pip").exists()
    command: list[str | Path] = [python, "-m", "pip"] if own else [sys.executable, "-m", "pip", "--python", python]
    run([*command, "install", "--quiet", "--disable-pip-version-check", *arguments], env)


@functools.cache
def install_tree(python: Path) -> None:
    """The tree as it is released, with line numbers for the profiler: they do not change the code."""
    pip(python, "-r", "requirements/build.txt", "-r", "requirements/run.txt")
    tools = dict(os.environ, PATH=f"{python.parent}{os.pathsep}{os.environ['PATH']}")
    (ROOT / "build").mkdir(exist_ok=True)
    build = ("--no-deps", "--no-build-isolation", "--force-reinstall", "-Cbuild-dir=build/bench-velocem")
    pip(python, *build, "-Csetup-args=-Ddebug=true", ".", env=tools)


def install_with(entrant: Entrant, more: Iterable[str], interpreter: str, folder: Path) -> Path:
    """The environment's python. What is installed already stays, except this tree, which may have changed."""
    python = folder / "bin" / "python"
    tree = entrant.requirements == "."
    files = ([] if tree else [entrant.requirements]) + list(more)
    marks = {name: hashlib.sha256((REQUIREMENTS / name).read_bytes()).hexdigest() for name in files}
    stamp = folder / ".installed"
    have = stamp_of(stamp)
    first = "." if tree else entrant.requirements
    if have.get("interpreter") != interpreter or (not tree and have.get(first) != marks[first]):
        run([interpreter, "-m", "venv", "--clear", *([] if has_own_pip(interpreter) else ["--without-pip"]), folder])
        have = {"interpreter": interpreter}
    if tree:
        install_tree(python)
    for name, mark in marks.items():
        if have.get(name) != mark:
            pip(python, "-r", REQUIREMENTS / name)
            have[name] = mark
    stamp.write_text(json.dumps(have))
    return python


def stamp_of(path: Path) -> dict[str, str]:
    """What an environment has: its interpreter, and by the name of a file of requirements the mark of its text."""
    try:
        have: dict[str, str] = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return have


def check_debian(entrant: Entrant) -> None:
    missing = [package for path, package in entrant.debian.items() if not Path(path).exists()]
    if missing:
        raise UnavailableError(f"it needs the Debian package {' '.join(missing)}")


done: dict[tuple[str, ...], Path | UnavailableError] = {}  # several entrants share an environment


def install(entrant: Entrant, more: Iterable[str] = ()) -> Path:
    """The python that runs the entrant: that of the newest version it installs with.

    more: files of requirements with what the applications need.
    """
    if not entrant.requirements:
        return Path(sys.executable)
    key = (entrant.requirements, *more, *entrant.pythons)
    if key not in done:
        try:
            done[key] = install_newest(entrant, more)
        except UnavailableError as error:
            done[key] = error
    found = done[key]
    if isinstance(found, UnavailableError):
        raise found
    return found


def install_newest(entrant: Entrant, more: Iterable[str]) -> Path:
    check_debian(entrant)
    reasons = []
    name = Path(entrant.requirements).stem if entrant.requirements != "." else "velocem"
    for version in entrant.pythons:
        interpreter = next(interpreters(version), None)
        if interpreter is None:
            reasons.append(f"no CPython {version} here")
            continue
        try:
            return install_with(entrant, more, interpreter, ROOT / ".venvs" / f"bench-{name}")
        except UnavailableError as error:
            reasons.append(f"CPython {version}: {error}")
    raise UnavailableError("; ".join([*reasons, *filter(None, [entrant.wants])]))
