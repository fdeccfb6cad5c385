"""Counts instructions of the micro benches and of whole requests, and compares them with the committed ones."""

import argparse
import json
import platform
import subprocess
import sys
import sysconfig
import tempfile
import time
from itertools import groupby
from pathlib import Path

import compare
import instructions
from callgrind import ROOT, VALGRIND, Reader, environment

COUNTS = Path(__file__).resolve().parent / "counts.json"
COUNTED = "micro_counted"
ROUNDS = 200


def compiler(build: Path) -> str:
    found = json.loads((build / "meson-info" / "intro-compilers.json").read_text())["host"]["c"]
    return f"{found['id']} {found['version']}"


def combination(build: Path, scan: str) -> str:
    """What the machine code that is counted depends on.

    Valgrind shows the same processor on every machine that has AVX2: of all that the C library and the scanner choose
    by the processor, only the way of scanning is left to be named.
    """
    libc = " ".join(platform.libc_ver())
    valgrind = subprocess.run(["valgrind", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return f"{platform.machine()} {scan}, {compiler(build)}, {libc}, {valgrind.replace('-', ' ')}"


def interpreter() -> str:
    """Builds of one version differ too, by more than what is looked for here."""
    arguments = str(sysconfig.get_config_var("CONFIG_ARGS"))
    traits = {
        "profile-guided": "--enable-optimizations" in arguments,
        "lto": "--with-lto" in arguments,
        "shared": bool(sysconfig.get_config_var("Py_ENABLE_SHARED")),
        "debug": bool(sysconfig.get_config_var("Py_DEBUG")),
        "free-threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    }
    return " ".join(["CPython", platform.python_version(), *(name for name, has in traits.items() if has)])


def count_micro(program: Path) -> tuple[str, dict[str, int]]:
    """The way of scanning that the processor has, and the instructions of one call of each bench."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind"
        tool = (*VALGRIND, f"--toggle-collect={COUNTED}", f"--callgrind-out-file={out}")
        done = subprocess.run([*tool, program], env=environment(), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"count: {program.name} failed: {done.stderr.strip()}")
        taken = Reader(out).profile
    counts = {
        name.removeprefix("micro_").replace("_", " "): round(taken.inclusive[name] / taken.calls[name])
        for name in sorted(taken.inclusive)
        if name.startswith("micro_") and name != COUNTED
    }
    return done.stdout.strip(), counts


def count_requests(package: Path, words: list[str]) -> dict[str, int]:
    """By the interpreter that runs this, for which the package was built."""
    counts = {}
    cases = [case for case in instructions.CASES if not words or any(word in case.name for word in words)]
    for app, group in groupby(cases, lambda case: case.app):
        with instructions.serve(app, Path(sys.executable), package) as server:
            for case in group:
                taken, requests = instructions.profile(server, case, 1, ROUNDS)
                for name, count in instructions.counts(case, taken, requests):
                    counts[name] = round(count)
    return counts


def wanted(counts: dict[str, int], words: list[str]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if not words or any(word in name for word in words)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD", help="only counts with one of these words in their names")
    parser.add_argument("--update", action="store_true", help=f"write them to {COUNTS.name}")
    parser.add_argument("--build", type=Path, required=True, help="the build that has bench/micro/micro")
    parser.add_argument("--package", type=Path, default=instructions.PACKAGE, help=instructions.PACKAGE_HELP)
    options = parser.parse_args()
    start = time.monotonic()
    scan, micro = count_micro(options.build / "bench" / "micro" / "micro")
    machine = combination(options.build, scan)
    taken = {machine: micro, f"{machine}, {interpreter()}": count_requests(options.package, options.words)}
    committed = compare.read(COUNTS)
    comparisons = []
    for name, every in taken.items():
        now = wanted(every, options.words)
        before = wanted(committed[name], options.words) if name in committed else None
        comparisons.append(compare.compare(name, before, now))
        if options.update and now:
            compare.write(COUNTS, name, now, part=bool(options.words))
    print("Instructions in user space: of one call, and of one request with its turn of the loop.")
    for comparison in comparisons:
        print(*comparison.lines(), sep="\n")
    print(f"\nCounted in {time.monotonic() - start:.0f} s.")
    if options.update:
        print(f"Written to {COUNTS.relative_to(ROOT)}.")
        return 0
    print(*compare.advice(comparisons), sep="\n")
    return 1 if any(comparison.faults for comparison in comparisons) else 0


if __name__ == "__main__":
    sys.exit(main())
