"""Checks what the layers rest on: who includes whom, a first line that says what a file is, sizes, mirrored tests."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

# Rooms and what each may include of the others; docs/architecture.md has the picture. "py" is the common part of
# src/py: it holds the extension together, so it may look into the interfaces, which may not look into each other.
PROTOCOLS = {"http1", "http2", "ws", "uwsgi"}
MAY_INCLUDE: dict[str, set[str]] = {
    "base": set(),
    "coding": {"base"},
    "files": {"base"},
    "http": {"base"},
    **{name: {"base", "http"} for name in PROTOCOLS},
    "proxy": {"base"},
    "router": {"base"},
    "net": {"base"},
    "tls": {"base"},
    "server": {"base", "http", "proxy", "router", "net", "tls", *PROTOCOLS},
    "admin": {"base", "http", "net", "proxy", "server"},
    "py": {
        "admin",
        "base",
        "http",
        "router",
        "net",
        "server",
        "py/loop",
        "py/task",
        "py/wsgi",
        "py/asgi",
        "py/native",
        "py/router",
    },
    "py/loop": {"base", "net", "py"},
    "py/task": {"base", "py", "py/loop"},
    "py/wsgi": {"base", "http", "router", "net", "server", "py"},
    "py/asgi": {"base", "http", "ws", "router", "net", "server", "py", "py/loop", "py/task"},
    "py/router": {"base", "router", "py"},
    "py/native": {"base", "coding", "files", "http", "router", "net", "server", "py", "py/router", "py/task"},
}

# Rooms without I/O, time or logging, and the only system headers they need.
PURE = {"coding", "http", "proxy", "router", *PROTOCOLS}
PURE_HEADERS = {"assert.h", "limits.h", "stdalign.h", "stdbool.h", "stddef.h", "stdint.h", "stdlib.h", "string.h"}
# Beside those, what a library that is not written here is for.
LIBRARY_HEADERS = {"coding": {"zlib.h"}, "ws": {"zlib.h"}}
# base may use libc, but not the network.
NETWORK = re.compile(r"(sys/(socket|epoll|eventfd|sendfile|un|uio)|netinet/.*|arpa/.*|netdb|poll)\.h")
PYTHON = re.compile(r"Python\.h|structmember\.h|pyconfig\.h|internal/.*")
OPENSSL = re.compile(r"openssl/.*")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)

# A file that nears 600 lines is to be split; tests are long for a better reason.
MOST_LINES = {"src": 600, "velocem": 600, "tools": 600, "fuzz": 600, "bench": 600, "tests": 1200}
FIRST_LINE = {
    ".c": re.compile(r"/\* \S.*"),
    ".h": re.compile(r"/\* \S.*"),
    ".def": re.compile(r"/\* \S.*"),
    ".py": re.compile(r'(""")\S.*'),
    ".pyi": re.compile(r"# \S.*"),
    ".sh": re.compile(r"# \S.*"),
}


def room_of(path: Path) -> str | None:
    """The room of a file or an include, as "http1" or "py/wsgi"; None outside the table."""
    parts = path.parts[:-1]
    deep = "/".join(parts[:2])
    if deep in MAY_INCLUDE:
        return deep
    return parts[0] if parts and parts[0] in MAY_INCLUDE else None


def includes(text: str) -> Iterator[tuple[int, str, str]]:
    for match in INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start(2)) + 1, match[1], match[2]


def check_own(room: str, included: str) -> str | None:
    """An include of ours, by its path below src."""
    other = room_of(Path(included))
    if other is None:
        return f'"{included}" is in no layer; write the path below src'
    if other != room and other not in MAY_INCLUDE[room]:
        return f'{room} may not include {other}: "{included}"'
    return None


def check_foreign(room: str, included: str) -> str | None:
    """An include of the system or of a library."""
    if PYTHON.fullmatch(included) and not room.startswith("py"):
        return f"only src/py may know Python: <{included}>"
    if PYTHON.fullmatch(included) and included.startswith("internal/"):
        return f"internal header of the interpreter: <{included}>"
    if OPENSSL.fullmatch(included) and room not in ("tls", "base"):
        return f"only src/tls may know OpenSSL: <{included}>"
    if room in PURE and included not in PURE_HEADERS | LIBRARY_HEADERS.get(room, set()):
        return f"{room} does no I/O and needs no <{included}>"
    if room == "base" and NETWORK.fullmatch(included):
        return f"base does not know the network: <{included}>"
    return None


def check_includes(root: Path) -> Iterator[str]:
    source = root / "src"
    for path in sorted(source.rglob("*.[ch]")):
        room = room_of(path.relative_to(source))
        if room is None:
            yield f"{path.relative_to(root)}:1: a folder of src that is in no layer"
            continue
        for line, mark, included in includes(path.read_text(encoding="utf-8")):
            problem = check_own(room, included) if mark == '"' else check_foreign(room, included)
            if problem:
                yield f"{path.relative_to(root)}:{line}: {problem}"


def check_tests(root: Path) -> Iterator[str]:
    """A C test includes what the folder it tests may include, and the tests' support."""
    tests = root / "tests" / "c"
    for path in sorted(tests.rglob("*.[ch]")):
        room = room_of(path.relative_to(tests))
        for line, mark, included in includes(path.read_text(encoding="utf-8")):
            if room is not None and mark == '"' and not included.startswith("support/"):
                problem = check_own(room, included)
                if problem:
                    yield f"{path.relative_to(root)}:{line}: {problem}"


def check_mirror(root: Path) -> Iterator[str]:
    """Every file of src has its test; parts of one thing (scan_avx2.c, scan.c) may share it."""
    source = root / "src"
    for path in sorted(source.rglob("*.c")):
        relative = path.relative_to(source)
        if relative.parts[0] == "py":
            continue  # tested from Python
        words = path.stem.split("_")
        names = ["_".join(words[:count]) for count in range(len(words), 0, -1)]
        folder = root / "tests" / "c" / relative.parent
        if not any((folder / f"test_{name}.c").exists() for name in names):
            yield f"src/{relative}:1: no test: tests/c/{relative.parent}/test_{path.stem}.c"


def check_text(root: Path) -> Iterator[str]:
    """First lines and sizes."""
    for folder, most in MOST_LINES.items():
        for path in sorted((root / folder).rglob("*")):
            pattern = FIRST_LINE.get(path.suffix)
            if pattern is None or not path.is_file():
                continue
            lines = path.read_text(encoding="utf-8").splitlines()
            first = next((line for line in lines if not line.startswith("#!")), "")
            if lines and not pattern.match(first):
                yield f"{path.relative_to(root)}:1: the first line does not say what the file is"
            if len(lines) > most and path.name != "_core.pyi":  # one extension, one stub
                yield f"{path.relative_to(root)}:{most}: {len(lines)} lines, at most {most}"


def check(root: Path) -> list[str]:
    """Every problem, as path:line: what is wrong."""
    return [problem for part in (check_includes, check_tests, check_mirror, check_text) for problem in part(root)]


def main(arguments: list[str]) -> int:
    problems = check(Path(arguments[0] if arguments else "."))
    print("\n".join(problems), end="\n" if problems else "", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
