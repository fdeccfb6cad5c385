"""The command line: options from the table, then one application served."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, cast

from velocem import __version__, config, server
from velocem.config import LATER, TABLE, Config, Layer
from velocem.exceptions import ConfigError
from velocem.places import FORMS
from velocem.readers import NO_FD, UNITS

# People at a terminal want to see requests, as other servers show them; a program asks for it.
COMMAND_DEFAULTS = {"access_log": True}

# Commands that tell about an application; a word without a colon is no application itself.
TELLING = ("routes", "openapi", "explain")

SHORT = {"bind": ["-b"], "pid": ["-p"], "workers": ["-w"]}
COUNTS = ("limit_concurrency", "limit_fields", "limit_queue")
METAVARS = {"admin": "PLACE", "bind": "PLACE", "fd": "NUMBER", "pid": "FILE", "uds": "PATH"}


class Parser(argparse.ArgumentParser):
    """Errors are one line; the usage of thirty options would bury it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"velocem: error: {message} (velocem --help lists the options)\n")


class Later(argparse.Action):
    """An option of a later version."""

    def __call__(self, parser: argparse.ArgumentParser, *args: Any, **_: Any) -> None:
        parser.error(f"{args[-1]} is not available in this version")


def make_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="velocem",
        usage="velocem [options] module:attribute",
        description="Serve a Python web application.",
        epilog="velocem routes|openapi|explain module:attribute tells about a velocem.App. "
        f"A PLACE is {FORMS}. A SIZE is in bytes, or as 64k, 1m, 1g. "
        "Every option is also read from VELOCEM_<NAME> and from [tool.velocem] in ./pyproject.toml. "
        "velocem migrate FILE prints what uwsgi.ini or gunicorn.conf.py is here. "
        "Exit status: 0 stopped by a signal, 2 a bad option, 3 a failed start.",
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("app", nargs="?", metavar="module:attribute", help=TABLE["app"].metadata["help"])
    for name in TABLE:
        if name != "app":
            add_option(parser, name)
    for name in LATER:
        parser.add_argument(
            config.spell_flag(name), *SHORT.get(name, []), action=Later, nargs="?", help=argparse.SUPPRESS
        )
    parser.add_argument(
        "--check-config", action="store_true", help="load the application, say whether all is well, and end"
    )
    parser.add_argument(
        "--print-config", action="store_true", help="print every option with where it comes from, and end"
    )
    parser.add_argument("--version", action="version", version=version_line())
    return parser


def add_option(parser: argparse.ArgumentParser, name: str) -> None:
    row = TABLE[name]
    text = f"{row.metadata['help']} (default: {show_default(name, row.default)})"
    flags = [config.spell_flag(name), *SHORT.get(name, [])]
    if isinstance(row.default, bool):
        parser.add_argument(*flags, action=argparse.BooleanOptionalAction, help=text)
    elif isinstance(row.default, tuple):
        parser.add_argument(*flags, action="append", metavar=METAVARS.get(name, metavar(name)), help=text)
    else:
        parser.add_argument(*flags, metavar=METAVARS.get(name, metavar(name)), help=text)


def metavar(name: str) -> str:
    if name.startswith("timeout_"):
        return "SECONDS"
    if name == "body_memory" or (name.startswith("limit_") and name not in COUNTS):
        return "SIZE"
    return name.rpartition("_")[2].upper()


def show_default(name: str, default: object) -> str:
    if isinstance(default, bool):
        return "on" if default or name in COMMAND_DEFAULTS else "off"
    if default in ((), "", NO_FD):
        return "none"
    if isinstance(default, tuple):
        return ",".join(cast("tuple[str, ...]", default))
    if isinstance(default, int) and metavar(name) == "SIZE":
        return show_size(default)
    return f"{default:g}" if isinstance(default, float) else str(default) or "none"


def show_size(number: int) -> str:
    for unit, factor in reversed(UNITS.items()):
        if number and number % factor == 0:
            return f"{number // factor}{unit}"
    return str(number)


def version_line() -> str:
    import platform  # noqa: PLC0415 - who serves does not need it

    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"Velocem {__version__}, {python}, {platform.system()} {platform.machine()}"


def read_arguments(argv: Sequence[str] | None) -> dict[str, Any]:
    """Those that are given, by name."""
    parser = make_parser()
    values, rest = parser.parse_known_args(argv)
    for word in rest:
        if word.startswith("-"):
            parser.error(str(config.unknown(unspell(word), config.spell_flag)))
    if rest:
        parser.error(f"one application at a time: {' '.join(rest)}")
    return vars(values)


def unspell(word: str) -> str:
    return word.lstrip("-").partition("=")[0].removeprefix("no-").replace("-", "_")


def spell_default(name: str) -> str:  # noqa: ARG001
    return "default"


def layers(values: Mapping[str, Any]) -> list[Layer]:
    """The configuration of the command: the command line, then the environment, then pyproject.toml."""
    return [Layer(COMMAND_DEFAULTS, spell_default), *config.surroundings(), config.command_line(values)]


def read_config(values: Mapping[str, Any]) -> Config:
    settings = config.build(*layers(values))
    if not settings.app:
        raise ConfigError("no application is named, as in: velocem module:attribute")
    return settings


def migrate(files: Sequence[str]) -> None:
    if len(files) != 1 or files[0].startswith("-"):
        raise ConfigError("migrate takes a file: velocem migrate uwsgi.ini, or gunicorn.conf.py")
    from velocem.migration import migrate as read  # noqa: PLC0415 - who serves does not need it

    print(read(Path(files[0])).show(), end="")  # noqa: T201


def start(argv: Sequence[str] | None) -> None:
    words = sys.argv[1:] if argv is None else list(argv)
    if words[:1] == ["migrate"]:
        migrate(words[1:])
        return
    if words and words[0] in TELLING:
        from velocem.commands import run  # noqa: PLC0415 - who serves does not need it

        print(run(words[0], words[1:]))  # noqa: T201
        return
    values = read_arguments(argv)
    check, show = values.pop("check_config", False), values.pop("print_config", False)
    if show:
        print(config.show(*layers(values)))  # noqa: T201
    if check:
        settings = read_config(values)
        server.load(settings.app, settings)
        print(f"{settings.app} can be served")  # noqa: T201
    if not (check or show):
        server.serve(read_config(values).app, lambda: read_config(values))


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["top"]:
        from velocem import top  # noqa: PLC0415 - who serves does not need it

        return top.main(arguments[1:])
    return server.guard(lambda: start(argv))
