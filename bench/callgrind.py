"""What a program spent under callgrind, read from its output: instructions by function, by file and by object."""

import bisect
import os
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Written without compressed names or positions, as Reader wants it.
VALGRIND = ("valgrind", "--tool=callgrind", "--compress-strings=no", "--compress-pos=no")
DEFINITION = re.compile(r"^(?!#|typedef|struct \w+ \{|enum|static const|extern|__attribute__)\w[^;={]*?(\w+)\(.*")
# What link-time optimisation adds to a name.
CLONE = re.compile(r"(\.(lto_priv|constprop|isra|part|cold)(\.\d+)?)+$")


def environment() -> dict[str, str]:
    """Nothing of the user's: the hash of strings decides about collisions in dicts, TZ and the locale about paths."""
    return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC", "PYTHONHASHSEED": "0"}


@dataclass
class Profile:
    """Instructions by function: its own, and with what it calls."""

    own: Counter[str] = field(default_factory=Counter)
    inclusive: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    callers: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    objects: Counter[str] = field(default_factory=Counter)
    files: Counter[str] = field(default_factory=Counter)
    between: Counter[tuple[str, str]] = field(default_factory=Counter)  # what calls from a file into another one cost

    @property
    def total(self) -> int:
        return sum(self.own.values())

    def spent_by(self, *files: str) -> int:
        """Code of these files of src/ wherever it was inlined, and what it calls; not the headers of others in it."""
        ends = tuple(f"/src/{file}" for file in files)
        own = sum(count for file, count in self.files.items() if file.endswith(ends))
        calls = [
            count for (file, callee), count in self.between.items() if file.endswith(ends) and not callee.endswith(ends)
        ]
        return own + sum(calls)


class Sources:
    """The function of ours that a line belongs to: the compiler inlines most of them into a few symbols."""

    def __init__(self) -> None:
        self.starts: dict[str, list[tuple[int, str]]] = {}

    def read(self, path: Path) -> list[tuple[int, str]]:
        found = []
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if (match := DEFINITION.match(line)) and not line.rstrip().endswith(";"):
                found.append((number, match[1]))
        return found

    def function_of(self, file: str, line: int) -> str | None:
        at = file.find("/src/")
        path = ROOT / file[at + 1 :]
        if at < 0 or path.suffix not in (".c", ".h") or not path.is_file():
            return None
        starts = self.starts.setdefault(file, self.read(path) if file not in self.starts else [])
        index = bisect.bisect_right(starts, (line, "~"))
        return f"{starts[index - 1][1]} ({path.relative_to(ROOT / 'src')})" if index else path.name


class Reader:
    """Reads one dump."""

    def __init__(self, path: Path) -> None:
        self.profile = Profile()
        self.sources = Sources()
        self.function = self.file = self.callee = self.callee_file = self.object = ""
        self.is_call = False
        for line in path.read_text(errors="replace").splitlines():
            self.take(line)

    def take(self, line: str) -> None:
        key, _, value = line.partition("=")
        if key == "fn":
            self.function = CLONE.sub("", value.partition("'")[0])
        elif key in ("fl", "fi", "fe"):
            self.file = value
        elif key == "ob":
            self.object = Path(value).name
        elif key in ("cfi", "cfl"):
            self.callee_file = value
        elif key == "cfn":
            self.callee = CLONE.sub("", value.partition("'")[0])
        elif key == "calls":
            self.is_call = True
            count = int(value.split()[0])
            self.profile.calls[self.callee] += count
            self.profile.callers[self.callee][self.function] += count
        elif line[:1].isdigit():
            self.cost(*map(int, line.split()[:2]))

    def cost(self, line: int, count: int) -> None:
        if self.is_call:
            self.cost_of_call(count)
            return
        self.profile.own[self.sources.function_of(self.file, line) or self.function] += count
        self.profile.inclusive[self.function] += count
        self.profile.objects[self.object] += count
        self.profile.files[self.file] += count

    def cost_of_call(self, count: int) -> None:
        self.profile.between[self.file, self.callee_file or self.file] += count
        if self.callee != self.function:
            self.profile.inclusive[self.function] += count
        self.callee_file = ""
        self.is_call = False


def total(path: Path) -> int:
    """What a dump says at its top, without reading the rest."""
    with path.open(errors="replace") as file:
        for line in file:
            if line.startswith("summary:"):
                return int(line.split()[1])
    raise ValueError(f"{path} is no dump of callgrind")
