"""The servers that are compared, one small file each: how it is installed and started."""

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Entrant:
    """A server. Its command, with {python}, {programs}, {app} and {port} filled in, runs in the folder of the apps."""

    name: str
    about: str
    command: tuple[str, ...]
    requirements: str = ""  # a file of requirements/bench, or empty
    debian: Mapping[str, str] = field(default_factory=dict)  # a file that must exist and the package that has it
    pythons: tuple[str, ...] = ("3.13", "3.12", "3.11")  # the first with which it installs
    wants: str = ""  # what else a machine needs, told when it does not install
    env: Mapping[str, str] = field(default_factory=dict)
    closes: bool = False  # it ends every connection, and says so
    only: frozenset[str] = frozenset()  # scenarios; empty is all


def everyone() -> dict[str, Entrant]:
    """By name: Velocem, the floor, then the others by the alphabet."""
    modules = sorted(module.name for module in pkgutil.iter_modules(__path__))
    entrants = [importlib.import_module(f"entrants.{name}").ENTRANT for name in modules]
    entrants.sort(key=lambda entrant: (entrant.name != "velocem", entrant.name != "limit", entrant.name))
    return {entrant.name: entrant for entrant in entrants}
