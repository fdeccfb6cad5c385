"""Readers of options: from what the command line, a file or a call gives to a value of its type, or why not."""

import ipaddress
import math
import re
from collections.abc import Callable, Sequence
from typing import Literal, TypeVar, cast, get_args

from velocem.exceptions import ConfigError
from velocem.places import FORMS, Place, parse, unix

T = TypeVar("T")
Reader = Callable[[object], T]
Accept = Literal["own", "shared"]
Interface = Literal["auto", "wsgi", "asgi", "native"]
LifespanMode = Literal["auto", "on", "off"]
LoopName = Literal["velocem", "auto"]

MOST_ATOMS = 30

# Of the access log: text and percent signs, atoms that are a letter, and fields of requests and responses.
ATOMS = re.compile(r"(?:[^%\n]|%%|%\([hlutrmUqHsBbfaTMDLpQ]\)s|%\(\{[^}\n]+\}[io]\)s)*")

NO_FD = -1
WEEK = 7 * 24 * 3600.0
UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
WORDS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}

# The two first are what every proxy is told to set.
FORWARDED_HEADERS = (
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "forwarded",
)

# A uwsgi packet says who its client is and what the application is to believe: a neighbour is not asked for that.
LOCAL_PEERS = ("127.0.0.0/8", "::1", "unix")


# A value as text or as Python gives it, to its type. A ValueError's text completes "... is not ...".


def text(value: object) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("text")
    return value


def flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in WORDS:
        return WORDS[value.lower()]
    raise ValueError("true or false")


def whole(low: int, high: int) -> Reader[int]:
    def read(value: object) -> int:
        number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
        if isinstance(number, bool) or not isinstance(number, int) or not low <= number <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return number

    return read


def size(low: int, high: int) -> Reader[int]:
    number = whole(low, high)

    def read(value: object) -> int:
        try:
            if isinstance(value, str) and value[-1:].lower() in UNITS:
                return number(whole(0, high)(value[:-1]) * UNITS[value[-1].lower()])
            return number(value)
        except ValueError:
            raise ValueError(f"a size in bytes from {low} to {high}, as 8192, 64k, 1m or 1g") from None

    return read


def seconds(value: object) -> float:
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else -1.0
    except (ValueError, OverflowError):
        number = -1.0
    if not math.isfinite(number) or not 0 <= number <= WEEK:
        raise ValueError(f"a number of seconds from 0 to {WEEK:.0f}")
    return number


def choice(*names: str) -> Reader[str]:
    def read(value: object) -> str:
        if value not in names:
            raise ValueError("one of " + ", ".join(names))
        return str(value)

    return read


def members(value: object) -> Sequence[object]:
    """Of a list, which as text has commas between them."""
    if isinstance(value, str):
        return [one.strip() for one in value.split(",")]
    return cast("Sequence[object]", value) if isinstance(value, list | tuple) else [value]


def read_places(value: object) -> tuple[str, ...]:
    found = tuple(text(one) for one in members(value) if one != "")
    if len(set(map(place, found))) != len(found):
        raise ConfigError("a place is named twice")
    return found


def place(one: str) -> Place:
    try:
        return parse(one)
    except ConfigError:
        raise
    except ValueError:
        raise ConfigError(f"{one!r} is not {FORMS}") from None


def unix_path(value: object) -> str:
    path = text(value)
    if path:
        unix(path)
    return path


def descriptor(value: object) -> int:
    return NO_FD if value == NO_FD else whole(0, 1 << 20)(value)


def mode(value: object) -> str:
    """As text only: what 660 means as a number depends on who reads it."""
    digits = value.removeprefix("0o") if isinstance(value, str) else ""
    if not digits or len(digits) > 4 or digits.strip("01234567") or int(digits, 8) > 0o777:
        raise ValueError("an octal mode as text, as '660'")
    return digits


def mode_or_none(value: object) -> str:
    return mode(value) if value != "" else ""


def words(value: object) -> list[str]:
    """As members; commas separate in a list too."""
    return [word.strip() for one in members(value) for word in text(one).split(",") if word.strip()]


def read_root_path(value: object) -> str:
    path = text(value).removesuffix("/")
    odd = any(mark in path for mark in "?#%\\") or not path.isprintable() or {"", ".", ".."} & set(path[1:].split("/"))
    if path and (odd or not path.startswith("/")):
        raise ValueError("a path as the application is to see it, such as /app")
    return path


def read_networks(value: object) -> tuple[str, ...]:
    return tuple(word if word in ("*", "unix") else read_network(word) for word in words(value))


def read_network(word: str) -> str:
    """In the one form that the core reads."""
    try:
        network = ipaddress.ip_network(word)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    if "%" in word:
        raise ConfigError(f"{word!r} has a zone, which a peer's address is not compared by")
    return str(network.network_address if network.num_addresses == 1 else network)


def read_forwarded_headers(value: object) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(word.lower() for word in words(value)))
    if not set(found) <= set(FORWARDED_HEADERS) or not found:
        raise ValueError("a list of " + ", ".join(FORWARDED_HEADERS))
    if "forwarded" in found and len(found) > 1:
        raise ConfigError(
            "forwarded and x-forwarded-... exclude each other: a client could send what the proxy does not"
        )
    return found


def read_loop(value: object) -> LoopName:
    """There is one; users of other servers have it from their start-up scripts."""
    if value in ("asyncio", "uvloop"):
        raise ConfigError(
            f"{value} cannot serve: connections are watched by Velocem's own event loop, and applications run on it"
        )
    return cast("LoopName", choice(*get_args(LoopName))(value))


def read_access_format(value: object) -> str:
    """One of the three, or a text with gunicorn's atoms, of which the core says more."""
    form = text(value)
    if form.count("%(") > MOST_ATOMS:
        raise ConfigError(f"more than {MOST_ATOMS} atoms")
    if "%(" in form and not ATOMS.fullmatch(form):
        raise ConfigError("an atom is none of %(h)s l u t r m U q H s B b f a T M D L p Q, %({name}i)s and %({name}o)s")
    return form if "%(" in form else choice("common", "combined", "json")(form)


def read_share(value: object) -> float:
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else 0.0
    except (ValueError, OverflowError):
        number = 0.0
    if not 1e-6 <= number <= 1:
        raise ValueError("a share from 0.000001 to 1")
    return number


read_interface = cast("Reader[Interface]", choice(*get_args(Interface)))
read_lifespan = cast("Reader[LifespanMode]", choice(*get_args(LifespanMode)))
read_accept = cast("Reader[Accept]", choice(*get_args(Accept)))
head_size = size(64, 16 << 20)
