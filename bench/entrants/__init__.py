"""What is compared, one small file each: how it is installed and started.

An entrant takes part in a scenario when its folder has the scenario's application, <folder>/<app>.py. So a new server
is one file here, and a new framework one file here and one for each application that it answers.

- A server or a framework has its applications in bench/apps/<interface>. Every WSGI server runs the very same file of
  bench/apps/wsgi, every ASGI server that of bench/apps/asgi; what speaks only its own interface has its own folder.
- A loop has them in bench/loops, a router in bench/routers; all loops run the same files, and so do all routers.

The command runs in that folder. In it are filled in: {python} and {programs}, the interpreter of the entrant's
environment and the folder of its programs; {app}, a module's name; {port} on 127.0.0.1; {socket}, the path of a Unix
socket; {static}, a folder of files; {size}, a number of the scenario; {threads}; {seconds}.

What listens on {port} is loaded from outside; with a front that is nginx, which passes on to {port}, or to {socket} if
the command names that. A scenario without a load is measured by the process itself: it warms up, works for about
{seconds}, prints one line of JSON and ends with status 0:

    {"operations": 123456, "seconds": 0.98, "user": 0.95, "system": 0.01}  wall and CPU seconds of these operations
    {"wrong": "what it answered"}                                          it does not do what is asked
    {"lacks": "sock_sendfile"}                                             it has no such thing; told, but no fault
"""

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Kind = Literal["server", "framework", "loop", "router"]

BENCH = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, kw_only=True)
class Entrant:
    """One that is compared."""

    name: str
    about: str
    command: tuple[str, ...]
    kind: Kind = "server"
    interface: str = "wsgi"  # the folder of its applications; "rsgi" or a name of its own where it shares none
    ours: bool = False  # Velocem: the 1x of those with the same interface
    requirements: str = ""  # a file of requirements/bench, "." for this tree, or empty
    debian: Mapping[str, str] = field(default_factory=dict)  # a file that must exist and the package that has it
    pythons: tuple[str, ...] = ("3.13", "3.12", "3.11")  # the first with which it installs
    wants: str = ""  # what else a machine needs, told when it does not install
    env: Mapping[str, str] = field(default_factory=dict)
    front: Literal["", "http", "uwsgi"] = (
        ""  # nginx listens on the port that is loaded, and passes on to {port} by this
    )
    whole: bool = False  # what nginx costs is counted too
    threads: int = 0  # that it has unless a scenario says how many; 0: they cannot be told by {threads}
    closes: bool = False  # it ends every connection, and says so
    only: frozenset[str] = frozenset()  # names of scenarios; empty is all those it has the application of
    leaves_out: Mapping[str, str] = field(default_factory=dict)  # scenarios that it cannot run, and why; reported

    @property
    def by_unix_socket(self) -> bool:
        return any("{socket}" in word for word in self.command)

    @property
    def folder(self) -> Path:
        shared = {"loop": BENCH / "loops", "router": BENCH / "routers"}
        return shared.get(self.kind, BENCH / "apps" / self.interface)

    def has(self, app: str) -> bool:
        return (self.folder / f"{app}.py").is_file()


def everyone() -> dict[str, Entrant]:
    """By name: Velocem, the floor, then the others by the alphabet."""
    modules = sorted(module.name for module in pkgutil.iter_modules(__path__))
    entrants = [importlib.import_module(f"entrants.{name}").ENTRANT for name in modules]
    entrants.sort(key=lambda entrant: (not entrant.ours, entrant.name != "limit", entrant.name))
    return {entrant.name: entrant for entrant in entrants}
