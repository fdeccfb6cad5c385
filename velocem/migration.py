"""velocem migrate: what another server's configuration is here, and what of it has no equal."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from velocem import config
from velocem.exceptions import ConfigError

HEAD = """\
# What {path} says, for Velocem: into pyproject.toml of the folder that velocem is started in.
[tool.velocem]
"""


class Option(NamedTuple):
    """One of ours, and the words that it comes from."""

    value: object
    source: str


class Draft:
    """What becomes of a configuration."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.options: dict[str, Option] = {}
        self.lists: dict[str, dict[str, str]] = {}  # their members, and the words of each
        self.variables: dict[str, str] = {}  # of the environment, which options are not for
        self.needless: dict[str, str] = {}  # their words, and why nothing need be said here
        self.missing: dict[str, str] = {}  # their words, and why there is no equal
        self.remarks: list[str] = []

    def set(self, name: str, value: object, source: str) -> None:
        """Checked as every option is. What this version does not have, or not so, is missing."""
        if name not in config.TABLE:
            self.missing[source] = f"{config.spell_flag(name)} is not in this version"
            return
        if isinstance(value, str) and value.isdigit() and not isinstance(config.TABLE[name].default, str):
            value = int(value)
        try:
            config.build(config.command_line({name: value}))
        except ConfigError as error:
            self.missing[source] = str(error)
            return
        self.options[name] = Option(value, source)

    def add(self, name: str, value: str, source: str) -> None:
        """To those of an option that takes several."""
        self.lists.setdefault(name, {})[value] = source
        self.set(name, list(self.lists[name]), ", ".join(self.lists[name].values()))

    def get(self, name: str) -> object:
        option = self.options.get(name)
        return option.value if option else None

    def show(self) -> str:
        """TOML, with the rest as comments."""
        lines = [(f"{name.replace('_', '-')} = {json.dumps(one.value)}", one.source) for name, one in self.ordered()]
        width = max((len(line) for line, _ in lines), default=0)
        text = HEAD.format(path=self.path.name) + "".join(f"{line:{width}}  # {source}\n" for line, source in lines)
        if "app" not in self.options:
            text += '# app = "module:attribute"  is not said there\n'
        text += section("In the environment of the process", {f"{k}={v}": "" for k, v in self.variables.items()})
        text += section("To know", dict.fromkeys(self.remarks, ""))
        text += section("Need not be said here", self.needless)
        return text + section("Have no equal", self.missing)

    def ordered(self) -> list[tuple[str, Option]]:
        """As they stand in the table of options."""
        return [(name, self.options[name]) for name in config.TABLE if name in self.options]


def section(title: str, entries: Mapping[str, str]) -> str:
    if not entries:
        return ""
    lines = [f"#   {words}: {reason}" if reason else f"#   {words}" for words, reason in entries.items()]
    return "\n".join(["", f"# {title}:", *lines, ""])


def migrate(path: Path) -> Draft:
    """By what the file is: an ini file is uWSGI's, a Python file gunicorn's."""
    if not path.is_file():
        raise ConfigError(f"{path}: there is no such file")
    match path.suffix:
        case ".ini":
            from velocem.from_uwsgi import read  # noqa: PLC0415 - who serves needs neither
        case ".py":
            from velocem.from_gunicorn import read  # noqa: PLC0415
        case _:
            raise ConfigError(f"{path}: neither an ini file of uWSGI nor a Python file of gunicorn")
    return read(path)
