"""Runs one fuzz target, or all, one for each processor at a time, for some seconds: fuzz.py NAME|all SECONDS."""

import importlib.util
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILT = ROOT / "build" / "fuzz" / "fuzz"
FOUND = ROOT / "build" / "fuzz-found"  # new inputs; one worth keeping is moved to fuzz/corpus by hand


def targets() -> list[str]:
    return sorted(path.stem for path in (ROOT / "fuzz").glob("*.[cp]*") if path.suffix in (".c", ".py"))


def program(name: str) -> list[str | Path]:
    """One in Python is for atheris, and takes the same arguments."""
    source = ROOT / "fuzz" / f"{name}.py"
    return [sys.executable, source] if source.exists() else [BUILT / f"fuzz_{name}"]


def fuzz(name: str, seconds: int) -> int:
    if len(program(name)) > 1 and importlib.util.find_spec("atheris") is None:
        print(f"fuzz {name}: left out, there is no atheris for this interpreter")
        return 0
    found = FOUND / name
    found.mkdir(parents=True, exist_ok=True)
    seeds = [folder for kind in ("corpus", "regression") if (folder := ROOT / "fuzz" / kind / name).is_dir()]
    own = ROOT / "fuzz" / "dict" / f"{name}.dict"
    dictionary = own if own.exists() else ROOT / "fuzz" / "dict" / "http1.dict"
    command: list[str | Path] = [
        *program(name),
        f"-max_total_time={seconds}",
        "-timeout=10",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
        f"-artifact_prefix={FOUND}/{name}-",
        *([f"-dict={dictionary}"] if dictionary.exists() else []),
        found,
        *seeds,
    ]
    log = FOUND / f"{name}.log"
    with log.open("wb") as output:
        status = subprocess.run(command, check=False, stdout=output, stderr=output).returncode
    summarise(name, seconds, status, log.read_text(errors="replace").splitlines())
    return status


def summarise(name: str, seconds: int, status: int, lines: list[str]) -> None:
    """One line when nothing was found, the end of the target's output when something was."""
    runs = [line.split()[-1] for line in lines if line.startswith("stat::number_of_executed_units")]
    print(f"fuzz {name}: {seconds} s, {runs[0] if runs else 'no'} runs, {'found something' if status else 'clean'}")
    if status:
        print("\n".join(lines[-60:]))
    sys.stdout.flush()


def main(name: str, seconds: str) -> int:
    """Exit status 1 when a target found something; its input is then in build/fuzz-found."""
    names = targets() if name == "all" else [name]
    unknown = set(names) - set(targets())
    if unknown or not names:
        print(f"no such fuzz target: {name}; there are: {' '.join(targets())}", file=sys.stderr)
        return 2
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return 1 if any(list(pool.map(partial(fuzz, seconds=int(seconds)), names))) else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
