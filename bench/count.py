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
    cases = [case for case in instructions.CASES if any(is_wanted(name, words) for name in case.counted)]
    for app, group in groupby(cases, lambda case: case.app):
        with instructions.serve(app, Path(sys.executable), package) as server:
            for case in group:
                counts.update(instructions.counts(case, *instructions.profile(server, case, 1, ROUNDS)))
    return counts


def is_wanted(name: str, words: list[str]) -> bool:
    return not words or any(word in name for word in words)


def wanted(counts: dict[str, int], words: list[str]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if is_wanted(name, words)}


def take(build: Path, package: Path, words: list[str]) -> dict[str, dict[str, int]]:
    """By combination, as they are committed."""
    scan, micro = count_micro(build / "bench" / "micro" / "micro")
    machine = combination(build, scan)
    taken = {machine: micro, f"{machine}, {interpreter()}": count_requests(package, words)}
    return {name: now for name, every in taken.items() if (now := wanted(every, words))}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD", help="only counts with one of these words in their names")
    parser.add_argument("--update", action="store_true", help=f"write them to {COUNTS.name}")
    parser.add_argument("--build", type=Path, required=True, help="the build that has bench/micro/micro")
    parser.add_argument("--package", type=Path, default=instructions.PACKAGE, help=instructions.PACKAGE_HELP)
    return parser.parse_args()


def main() -> int:
    options = parse()
    start = time.monotonic()
    committed = compare.read(COUNTS)
    taken = take(options.build, options.package, options.words)
    if not taken:
        raise SystemExit(f"count: nothing is named like {' or '.join(options.words)}")
    print("Instructions in user space: of one call, and of one request with its turn of the loop.")
    comparisons = []
    for name, now in taken.items():
        before = wanted(committed[name], options.words) if name in committed else None
        comparisons.append(compare.compare(name, before, now))
        print(*comparisons[-1].lines(), sep="\n")
    print(f"\nCounted in {time.monotonic() - start:.0f} s.")
    if options.update:
        for name, now in taken.items():
            compare.write(COUNTS, name, now, part=bool(options.words))
        print(f"Written to {COUNTS.relative_to(ROOT)}.")
        return 0
    for line in compare.advice(comparisons):
        print(line)
    return 1 if any(comparison.faults for comparison in comparisons) else 0


if __name__ == "__main__":
    sys.exit(main())
