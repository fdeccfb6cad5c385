"""Runs the Python tests on an extension built with the address and undefined-behaviour sanitizers."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TWO = ("-n", "2", "--dist", "loadfile")
FOLDER = ROOT / ".venvs" / "san"
PYTHON = FOLDER / "bin" / "python"


def library(name: str) -> str:
    """Where gcc keeps a sanitizer's runtime: it must come before everything else in the process."""
    result = subprocess.run(["gcc", f"-print-file-name={name}"], check=True, capture_output=True, text=True)
    return str(Path(result.stdout.strip()).resolve())


def build(setup: list[str]) -> None:
    if not PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", FOLDER], check=True)
    pip: list[str | Path] = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", "requirements/build.txt", "-r", "requirements/test.txt"], check=True, cwd=ROOT)
    env = dict(os.environ, CC="gcc", PATH=f"{FOLDER / 'bin'}{os.pathsep}{os.environ['PATH']}")
    (ROOT / "build").mkdir(exist_ok=True)
    again = ["--no-deps", "--no-build-isolation", "--force-reinstall", "-Cbuild-dir=build/san-py"]
    subprocess.run([*pip, *again, *(f"-Csetup-args={value}" for value in setup), "."], check=True, cwd=ROOT, env=env)


def test(arguments: list[str]) -> int:
    env = dict(
        os.environ,
        LD_PRELOAD=f"{library('libasan.so')} {library('libubsan.so')}",
        PYTHONMALLOC="malloc",  # so that objects of the interpreter have red zones too
        ASAN_OPTIONS="detect_leaks=0:abort_on_error=1:strict_string_checks=1:allocator_may_return_null=1",
        UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1",
    )
    # They do not touch the extension, measure it, watch memory of their own, or run others' programs for minutes.
    skipped = ["source", "py/bench", "py/accelerators", "leaks", "faults", "fronts"]
    skipped += [f"conformance/{name}" for name in ("apps", "asgi_apps", "http1", "loop")]
    # A browser and curl, which hang with what is preloaded; and a worker whose memory is looked at.
    skipped += ["py/app/test_live.py", "py/app/test_tutorial.py"]
    weighed = ["py/app/test_docs.py::test_the_page_in_a_browser", "py/test_admin.py::test_the_page_draws_in_a_browser"]
    weighed += ["py/test_recycling.py::test_a_worker_that_has_grown_is_replaced"]
    others = [f"--ignore=tests/{name}" for name in skipped] + [f"--deselect=tests/{name}" for name in weighed]
    pytest: list[str | Path] = [FOLDER / "bin" / "pytest", "-q", *others, *(arguments or TWO)]
    return subprocess.run(pytest, check=False, cwd=ROOT, env=env).returncode


def main(arguments: list[str]) -> int:
    """Options of meson, then --, then arguments for pytest."""
    split = arguments.index("--") if "--" in arguments else len(arguments)
    build(arguments[:split])
    return test(arguments[split + 1 :])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
