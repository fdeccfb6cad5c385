"""Runs the installed test.test_asyncio of each CPython with Velocem's loop, or the one LOOP names, as the default."""

import argparse
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, Any, NamedTuple

import test_pythons

ROOT = Path(__file__).resolve().parent.parent
CHILD = ROOT / "tests" / "asyncio" / "one_module.py"
LIST = ROOT / "tests" / "asyncio" / "left_out.toml"
OURS = "velocem:new_event_loop"
PLAIN = "plain"  # as the child names the standard library's loop
PASSED = ("ok", "skip", "expected failure")
TEST_SECONDS = 60
MODULE_SECONDS = 1200
MOST_AGAIN = 20  # failures of a module that are tried again; more are no chance

# What continuous integration runs: all that touches the loop, without the variants of Task and without slow servers.
SHORT = (
    "test_base_events",
    "test_buffered_proto",
    "test_context",
    "test_events",
    "test_futures2",
    "test_locks",
    "test_queues",
    "test_runners",
    "test_sendfile",
    "test_server",
    "test_sock_lowlevel",
    "test_ssl",
    "test_sslproto",
    "test_streams",
    "test_subprocess",
    "test_taskgroups",
    "test_threads",
    "test_timeouts",
    "test_unix_events",
    "test_waitfor",
)


class Entry(NamedTuple):
    """A reason of the list, with its tests."""

    why: str
    tests: tuple[str, ...]
    python: tuple[str, ...] = ()
    flaky: bool = False
    repeats: bool = False

    def names(self, test: str) -> bool:
        return any(fnmatchcase(test, pattern) for pattern in self.tests)


@dataclass
class Listed:
    """The list of what is left out, for one version of Python."""

    entries: list[Entry]
    modules: dict[str, str]
    without_loops: list[str]

    @classmethod
    def of(cls, version: str, *, empty: bool) -> "Listed":
        """Empty for the loops of others: all that they fail is to be seen. Repetitions are left out for them too."""
        table = tomllib.loads(LIST.read_text())
        entries = [Entry(**each) for each in table["left_out"]]
        mine = [each for each in entries if version in each.python or not each.python]
        return cls([each for each in mine if each.repeats or not empty], table["modules"], table["without_loops"])

    def entry(self, test: str) -> Entry | None:
        return next((each for each in self.entries if each.names(test)), None)


@dataclass
class Run:
    """One interpreter with one loop."""

    python: Path
    loop: str
    folder: str

    def child(self, module: str, tests: Collection[str] | None, loop: str) -> tuple[list[dict[str, Any]], str]:
        """The lines that it told, and the end of what it printed."""
        into, out_of = os.pipe()
        env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        command = [str(self.python), str(CHILD), str(out_of), loop, str(TEST_SECONDS), module]
        with tempfile.TemporaryFile("w+", dir=self.folder) as printed:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=printed,
                stderr=subprocess.STDOUT,
                pass_fds=[out_of],
                cwd=self.folder,
                env=env,
                text=True,
                start_new_session=True,
            )
            os.close(out_of)
            try:
                feed(process.stdin, json.dumps(None if tests is None else sorted(tests)))
                told = [json.loads(line) for line in lines_of(into, process)]
            finally:
                os.close(into)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # with what the tests started and left
                status = process.wait()
            printed.seek(0)
            tail = "".join(printed.readlines()[-40:])
        return told, f"exit status {status}\n{tail}"

    def listing(self, module: str) -> tuple[list[str], str]:
        """The tests of a module; or none, and the reason."""
        told, printed = self.child(module, None, self.loop)
        if told and "tests" in told[0]:
            return told[0]["tests"], ""
        return [], told[0]["absent"] if told else printed

    def results(self, module: str, tests: Iterable[str], loop: str) -> Iterator[dict[str, Any]]:
        """Of each test; what ends the process is the failure of the test it was at, and the others go on without it."""
        left = set(tests)
        while left:
            told, printed = self.child(module, left, loop)
            begun = ""
            for line in told:
                begun = line.get("begins", begun)
                if "outcome" in line:
                    left.discard(line["test"])
                    begun = ""
                    yield line
            if told and "done" in told[-1]:
                return
            left.discard(begun)
            yield failure(begun or f"{module} (outside of any test)", printed)
            if not begun:
                return


def lines_of(descriptor: int, process: "subprocess.Popen[str]") -> list[bytes]:
    """All that is told until the process ends; others that it started may hold the descriptor open after that."""
    deadline = time.monotonic() + MODULE_SECONDS
    told = bytearray()
    while time.monotonic() < deadline:
        over = process.poll() is not None
        if select.select([descriptor], [], [], 0 if over else 0.2)[0]:
            data = os.read(descriptor, 1 << 16)
            if not data:
                break
            told += data
        elif over:
            break
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)
    return bytes(told).splitlines()


def feed(pipe: IO[str] | None, text: str) -> None:
    if pipe is not None:
        with pipe:
            pipe.write(text)


def failure(test: str, text: str) -> dict[str, Any]:
    return {"test": test, "outcome": "ended the process", "text": text, "loops": 0, "stock": 0, "seconds": 0.0}


@dataclass
class Summary:
    """What came out for one interpreter."""

    counts: Counter[str] = field(default_factory=Counter)
    loops: int = 0
    on_loops: int = 0
    complaints: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def last_line(result: dict[str, Any]) -> str:
    lines = [line for line in result["text"].strip().splitlines() if line.strip()]
    return lines[-1].strip()[:200] if lines else ""


def judge_failure(run: Run, module: str, result: dict[str, Any], summary: Summary, *, again: bool) -> None:
    """A test that fails on the standard library's loop as well says nothing of ours, and one may fail by chance."""
    test = result["test"]
    if "(" not in test and again:
        if all(each["outcome"] in PASSED for each in run.results(module, [test], PLAIN)):
            second = list(run.results(module, [test], run.loop))
            if all(each["outcome"] in PASSED for each in second):
                summary.counts["passed when tried again"] += 1
                summary.remarks.append(f"passed when tried again: {test}: {last_line(result)}")
                return
        else:
            summary.counts["failed, and on the standard loop as well"] += 1
            summary.remarks.append(f"fails on the standard loop as well: {test}: {last_line(result)}")
            return
    summary.counts["failed"] += 1
    summary.complaints.append(f"{test}: {result['outcome']}\n{result['text'].rstrip()}")


def judge(run: Run, module: str, tests: list[str], listed: Listed, summary: Summary) -> None:
    """Runs a module: what is not on the list has to pass, what is on it has to fail."""
    entries = {test: listed.entry(test) for test in tests}
    held = [test for test, entry in entries.items() if entry is None]
    results = list(run.results(module, held, run.loop))
    failed = [each for each in results if each["outcome"] not in PASSED]
    summary.counts.update("passed" if each["outcome"] == "ok" else "skipped" for each in results if each not in failed)
    for each in failed:
        judge_failure(run, module, each, summary, again=len(failed) <= MOST_AGAIN)
    out = {test: entry for test, entry in entries.items() if entry is not None and not entry.repeats}
    for each in run.results(module, out, run.loop):
        entry = out.get(each["test"])
        summary.counts["left out"] += entry is not None
        if each["outcome"] in PASSED and entry is not None and not entry.flaky:
            summary.complaints.append(f"{each['test']}: passes, but is on the list of those left out ({entry.why})")
    summary.counts["repetitions left out"] += sum(1 for entry in entries.values() if entry and entry.repeats)
    check_loops(module, results, listed, summary)


def check_loops(module: str, results: list[dict[str, Any]], listed: Listed, summary: Summary) -> None:
    """That the tests really ran on the loop."""
    made = sum(each["loops"] for each in results)
    stock = sum(each["stock"] for each in results)
    summary.loops += made
    summary.on_loops += sum(1 for each in results if each["loops"])
    if stock:
        summary.complaints.append(f"{module}: made {stock} loops of the standard library")
    if not made and module not in listed.without_loops:
        summary.complaints.append(f"{module}: made no loop at all")


def modules_of(python: Path) -> list[str]:
    """Of the installed test.test_asyncio; none where the distribution has put the tests elsewhere."""
    program = "import os, test.test_asyncio as t; print(*os.listdir(t.__path__[0]), sep=chr(10))"
    result = subprocess.run([python, "-c", program], capture_output=True, text=True, check=False)
    return sorted(name[:-3] for name in result.stdout.split() if name.startswith("test_") and name.endswith(".py"))


def has_loop(python: Path, loop: str) -> bool:
    program = f"import {loop.partition(':')[0]}"
    return subprocess.run([python, "-c", program], cwd="/", check=False).returncode == 0


def try_interpreter(python: Path, label: str, wanted: Collection[str], loop: str) -> Summary:
    version = ".".join(label.split()[1].split(".")[:2])
    listed = Listed.of(version, empty=loop != OURS)
    summary = Summary()
    there = modules_of(python)
    if not has_loop(python, loop):
        summary.complaints.append(f"{python} cannot import {loop}: install it there")
        return summary
    if not there:
        summary.complaints.append(
            f"{python} has no test.test_asyncio. Debian's python3 has it in libpython3-testsuite, python3.12 in "
            "libpython3.12-testsuite; an interpreter built from source has it unless the tests were taken out."
        )
    for module in [name for name in there if name not in listed.modules and (not wanted or name in wanted)]:
        with tempfile.TemporaryDirectory(prefix="test_asyncio.") as folder:
            run = Run(python, loop, folder)
            began, before = time.monotonic(), summary.counts.copy()
            tests, reason = run.listing(module)
            if tests:
                judge(run, module, tests, listed, summary)
            else:
                summary.complaints.append(f"{module}: no tests: {reason}")
        told = ", ".join(f"{number} {what}" for what, number in (summary.counts - before).items())
        print(f"  {module}: {told} ({time.monotonic() - began:.0f} s)", flush=True)
    return summary


def show(label: str, loop: str, summary: Summary) -> None:
    for text in summary.complaints:
        print(f"  {text}")
    for text in summary.remarks:
        print(f"  {text}")
    if summary.complaints:
        print(f"{label} with {loop}, in short:")
        for text in summary.complaints:
            first, *rest = text.splitlines()
            print(f"  {first}{': ' + rest[-1].strip()[:160] if rest else ''}")
    total = ", ".join(f"{number} {what}" for what, number in sorted(summary.counts.items()) if number)
    print(f"{label} with {loop}: {total}; {summary.loops} loops made by {summary.on_loops} tests", flush=True)


def interpreters(options: argparse.Namespace) -> Iterator[tuple[str, Path]]:
    """The one of this environment, then the others of the machine with the present sources built for each."""
    if options.python:
        found = test_pythons.probe(options.python)
        if found is None:
            raise SystemExit(f"{options.python} does not run")
        yield "CPython {}.{}.{}".format(*found.version), Path(options.python).absolute()
        return
    yield "CPython {}.{}.{}".format(*sys.version_info[:3]), Path(sys.executable)
    if options.this:
        return
    for other in test_pythons.others():
        label = "CPython {}.{}.{}".format(*other.version)
        if other.reason:
            print(f"{label} skipped: {other.reason}", flush=True)
        else:
            yield label, test_pythons.environment(other) / "bin" / "python"


def main() -> int:
    """Exit status 0 when nothing failed but what the list names, and all of that did."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="only this interpreter, without the slowest modules")
    parser.add_argument("--this", action="store_true", help="only this interpreter")
    parser.add_argument("--python", help="another interpreter, which has the loop installed")
    parser.add_argument("modules", nargs="*", help="test_events, test_streams ...; all without")
    options = parser.parse_args()
    options.this = options.this or options.short
    wanted = options.modules or (SHORT if options.short else [])
    loop = os.environ.get("LOOP") or OURS
    failed = 0
    passed = 0
    for label, python in interpreters(options):
        print(f"{label} ({python}) with {loop}", flush=True)
        summary = try_interpreter(python, label, wanted, loop)
        show(label, loop, summary)
        failed += len(summary.complaints)
        passed += summary.counts["passed"]
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
