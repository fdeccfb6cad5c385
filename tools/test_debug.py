"""Runs Python tests on a debug build of CPython, whose totals of references tell of each that is lost."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".venvs" / "debug"
PYTHON = FOLDER / "bin" / "python"
# Debian's, or one that was configured --with-pydebug.
NAMES = (os.environ.get("PYTHON_DEBUG", ""), "python3-dbg", "python3.11-dbg", "python3.12-dbg", "python3.13-dbg")
REFERENCES = ["-q", "tests/leaks/test_references.py"]
NEEDED = ["pytest", "pytest-timeout", "pytest-xdist", "python-multipart"]  # by it


def interpreter() -> str:
    """The first that counts."""
    for name in filter(shutil.which, filter(None, NAMES)):
        probe = [name, "-c", "import sys, venv; assert sys.version_info >= (3, 11); sys.gettotalrefcount()"]
        if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
            return name
    raise SystemExit("There is no debug build of CPython here: name one by PYTHON_DEBUG.")


def build(packages: list[str]) -> None:
    if not PYTHON.exists():
        subprocess.run([interpreter(), "-m", "venv", FOLDER], check=True)
    install: list[str | Path] = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # What is built for the usual interpreter takes references uncounted, and a counting one counts that they go.
    counted = ["-r", "requirements/run.txt", "--no-binary", "msgspec"]
    subprocess.run([*install, "-r", "requirements/build.txt", *counted], check=True, cwd=ROOT)
    subprocess.run([*install, *packages], check=True, cwd=ROOT)
    env = dict(os.environ, PATH=f"{FOLDER / 'bin'}{os.pathsep}{os.environ['PATH']}")
    (ROOT / "build").mkdir(exist_ok=True)
    setup = ["-Csetup-args=-Dbuildtype=debug", "-Csetup-args=-Db_lto=false", "-Cbuild-dir=build/debug-py"]
    again = ["--no-deps", "--no-build-isolation", "--force-reinstall", *setup]
    subprocess.run([*install, *again, "."], check=True, cwd=ROOT, env=env)


def main(arguments: list[str]) -> int:
    """Arguments for pytest: any test can run here, and the interpreter's own assertions look on."""
    build(["-r", "requirements/test.txt"] if arguments else ["-c", "requirements/test.txt", *NEEDED])
    pytest = FOLDER / "bin" / "pytest"
    return subprocess.run([pytest, *(arguments or REFERENCES)], check=False, cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
