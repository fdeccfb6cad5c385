"""Files that are looked at until one of them changes: every module's, and what an import that failed has to do with."""

import os
import sys
import sysconfig
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType

PERIOD = 0.25

STANDARD = sysconfig.get_path("stdlib") + os.sep

# Time of the last change, size, inode: an editor that writes a new file in the place of the old one may keep the time.
Stamp = tuple[int, int, int]


class Watch:
    """A thread that calls changed(path) once. It begins before the import, and looks on while that takes its time."""

    def __init__(self, changed: Callable[[str], None]) -> None:
        self.changed = changed
        self.others: set[str] = set()
        self.stamps: dict[str, Stamp | None] = {}
        self.lock = threading.Lock()
        self.found: str | None = None
        self.thread = threading.Thread(target=self.run, name="velocem reload", daemon=True)
        self.thread.start()

    def add(self, paths: Iterable[str]) -> None:
        """Look at these too: files, or folders in which files may come and go."""
        self.others |= set(paths)
        self.look()

    def wait(self) -> None:
        """Until something has changed."""
        self.thread.join()

    def run(self) -> None:
        pause = threading.Event()
        while (path := self.look()) is None:
            pause.wait(PERIOD)
        self.changed(path)

    def look(self) -> str | None:
        """What has changed since it was first seen, if anything has."""
        with self.lock:
            for path in {*module_files(), *self.others}:
                stamp = stamp_of(path)
                if self.stamps.setdefault(path, stamp) != stamp:
                    self.found = self.found or path
            return self.found


def stamp_of(path: str) -> Stamp | None:
    try:
        status = os.stat(path)  # a quarter of the time that a Path takes
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def module_files() -> Iterator[str]:
    """Without those of the standard library, which nobody is at work on."""
    # Another thread imports meanwhile.
    for module in list(sys.modules.values()):
        path = file_of(module)
        if isinstance(path, str) and (not path.startswith(STANDARD) or "site-packages" in path):
            yield path


def file_of(module: object) -> object:
    """Not by getattr, which would have a lazy module imported here."""
    return object.__getattribute__(module, "__dict__").get("__file__") if isinstance(module, ModuleType) else None


def behind(error: BaseException | None) -> Iterator[str]:
    """The files in which an import failed, and the folders where what it misses may appear."""
    files: set[str] = set()
    while error is not None:
        files |= {frame.filename for frame in traceback.extract_tb(error.__traceback__)}
        if isinstance(error, SyntaxError) and error.filename:
            files.add(error.filename)
        error = error.__cause__ or error.__context__
    paths = [Path(name) for name in files if not name.startswith("<")]
    yield from map(str, paths)
    yield from {str(path.parent) for path in paths}
    yield from (entry or "." for entry in sys.path)
