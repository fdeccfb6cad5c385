"""The options: one table for the command line, the environment, pyproject.toml and the calls."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, NamedTuple, TypedDict, TypeVar, cast

from velocem.exceptions import ConfigError
from velocem.logging import LEVELS
from velocem.places import DEFAULT_PORT, Descriptor, Place, Tcp, parse, unix
from velocem.readers import (
    FORWARDED_HEADERS,
    LOCAL_PEERS,
    NO_FD,
    Accept,
    Interface,
    LifespanMode,
    LoopName,
    Reader,
    choice,
    descriptor,
    flag,
    head_size,
    mode,
    mode_or_none,
    read_accept,
    read_access_format,
    read_forwarded_headers,
    read_interface,
    read_lifespan,
    read_loop,
    read_networks,
    read_places,
    read_root_path,
    read_share,
    seconds,
    size,
    text,
    unix_path,
    whole,
)

T = TypeVar("T")

ENV_PREFIX = "VELOCEM_"

# Names that later versions will give a meaning; until then they are refused, never ignored.
LATER = frozenset({"ssl_certfile", "ssl_keyfile"})


# Variables that other servers read as well.
SHARED_VARIABLES = {"WEB_CONCURRENCY": "workers"}
SPELT = {name: key for key, name in SHARED_VARIABLES.items()}

# What uvicorn, gunicorn, granian, hypercorn and uWSGI call an option of ours.
ELSEWHERE = {
    "access_log_fmt": "access_log_format",
    "access_logformat": "access_log_format",
    "blocking_threads": "threads",
    "chdir": "app_dir",
    "error_logfile": "log_file",
    "errorlog": "log_file",
    "graceful_timeout": "timeout_graceful_shutdown",
    "http1_header_read_timeout": "timeout_header",
    "http_socket": "bind",
    "keep_alive": "timeout_keep_alive",
    "limit_max_requests": "max_requests",
    "limit_max_requests_jitter": "max_requests_jitter",
    "limit_request_field_size": "limit_field_size",
    "limit_request_fields": "limit_fields",
    "limit_request_line": "limit_target",
    "logto": "log_file",
    "pidfile": "pid",
    "pid_file": "pid",
    "processes": "workers",
    "protocol": "bind",
    "proxy_allow_ips": "proxy_allow_from",
    "proxy_protocol": "proxy_allow_from",
    "pythonpath": "app_dir",
    "gid": "group",
    "harakiri": "timeout_request",
    "max_worker_lifetime": "max_worker_age",
    "reload_on_rss": "max_worker_memory",
    "timeout": "timeout_request",
    "uid": "user",
    "socket": "bind",
    "url_path_prefix": "root_path",
    "uwsgi_allow_ips": "uwsgi_allow_from",
    "uwsgi_socket": "bind",
    "workers_lifetime": "max_worker_age",
    "workers_max_rss": "max_worker_memory",
    "working_dir": "app_dir",
}


def option(default: T, read: Reader[T], help: str) -> T:  # noqa: A002
    """A row of the table."""
    return field(default=default, metadata={"read": read, "help": help})


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The table: every option of this version with its type, default, reader and help."""

    app: str = option("", text, "the application, as module:attribute or 'module:factory()'")
    bind: tuple[str, ...] = option((), read_places, "a place to listen at, in place of the next four; may be repeated")
    host: str = option("127.0.0.1", text, "address or host name to listen on; empty for every address")
    port: int = option(DEFAULT_PORT, whole(0, 65535), "port to listen on; 0 picks a free one")
    uds: str = option("", unix_path, "Unix socket to listen on, instead of a port")
    fd: int = option(NO_FD, descriptor, "descriptor that listens already, instead of a port")
    uds_mode: str = option("666", mode, "permissions of the Unix sockets that are made, in octal")
    backlog: int = option(2048, whole(1, 65535), "connections the kernel may hold before they are accepted")
    accept: Accept = option("own", read_accept, "own: a listening socket for each worker; shared: one for all")
    workers: int = option(0, whole(0, 1000), "worker processes under a supervisor; 0 serves in this process")
    threads: int = option(0, whole(0, 1024), "threads that call the application; 0 calls it on the loop")
    max_requests: int = option(0, whole(0, 1 << 62), "requests after which a worker is replaced; 0 is never")
    max_requests_jitter: int = option(0, whole(0, 1 << 62), "at most so many more, so that not all go at once")
    max_worker_age: float = option(
        0.0, seconds, "seconds after which a worker is replaced, and up to a tenth more; 0 is never"
    )
    max_worker_memory: int = option(
        0, size(0, 1 << 50), "resident bytes beyond which a worker is replaced; 0 is any number"
    )
    user: str = option("", text, "user that workers run as, by name or number; needs root")
    group: str = option("", text, "group that workers run as; without it the user's own")
    umask: str = option("", mode_or_none, "permissions that new files do not get, in octal; empty leaves it as it is")
    preload: bool = option(False, flag, "import the application once, before the workers are forked")
    reload: bool = option(False, flag, "start the workers again when a file of a module changes")
    admin: tuple[str, ...] = option(
        (), read_places, "a place that answers /healthz, /readyz and /metrics; may be repeated"
    )
    limit_concurrency: int = option(
        0, whole(0, 1 << 30), "most requests a worker's application has at a time; others get a 503; 0 is any"
    )
    pid: str = option("", text, "file that the process number is written to; empty is none")
    interface: Interface = option("auto", read_interface, "what the application speaks: auto, wsgi, asgi or native")
    lifespan: LifespanMode = option("auto", read_lifespan, "whether an ASGI application has one: auto, on or off")
    loop: LoopName = option(
        "velocem", read_loop, "the event loop of ASGI applications: velocem, or auto, which is that"
    )
    factory: bool = option(False, flag, "call what is named to get the application")
    app_dir: str = option(".", text, "folder to import the application from")
    log_level: str = option("info", choice(*LEVELS), "least level of the server's log: " + ", ".join(LEVELS))
    log_file: str = option("-", text, "file of the server's log; - is standard error")
    access_log: bool = option(False, flag, "write a line for every request to standard output")
    access_log_format: str = option(
        "common", read_access_format, "common, combined, json, or a text with atoms as %%(h)s and %%({name}i)s"
    )
    access_log_sample: float = option(
        1.0, read_share, "share of requests that get a line; those answered by 5xx always do"
    )
    queue_time: bool = option(False, flag, "tell the application how long each request has waited")
    access_logfile: str = option("-", text, "file of the access log; - is standard output")
    server_header: bool = option(True, flag, "send a Server field")
    date_header: bool = option(True, flag, "send a Date field")
    forwarded_allow_ips: tuple[str, ...] = option(
        (), read_networks, "proxies that are believed: addresses, networks, unix, or * for everyone"
    )
    forwarded_headers: tuple[str, ...] = option(
        FORWARDED_HEADERS[:2], read_forwarded_headers, "what they are believed: X-Forwarded-... fields, or Forwarded"
    )
    proxy_allow_from: tuple[str, ...] = option(
        (), read_networks, "proxies whose connections begin with a PROXY header: addresses, networks, unix, or *"
    )
    uwsgi_allow_from: tuple[str, ...] = option(
        LOCAL_PEERS,
        read_networks,
        "who may connect where uwsgi is spoken: addresses, networks, unix, or * for everyone",
    )
    root_path: str = option("", read_root_path, "path under which clients see the application, as /app")
    timeout_header: float = option(10.0, seconds, "seconds for a whole request head to come; 0 is no limit")
    timeout_body: float = option(30.0, seconds, "seconds between two pieces of a request body; 0 is no limit")
    timeout_keep_alive: float = option(5.0, seconds, "seconds an idle connection is kept; 0 is no limit")
    timeout_write: float = option(30.0, seconds, "seconds a client may take no byte of a response; 0 is no limit")
    timeout_request: float = option(
        0.0,
        seconds,
        "seconds a call of the application may take before its worker is ended; 0 is no limit",
    )
    timeout_graceful_shutdown: float = option(30.0, seconds, "seconds running requests get to finish; 0 is no limit")
    # 240: what IIS and Kestrel have refused by for years; a slow modem is ten times faster.
    min_body_rate: int = option(240, whole(0, 1 << 30), "least bytes per second of a request body; 0 is no limit")
    min_write_rate: int = option(
        240, whole(0, 1 << 30), "least bytes per second a client takes of a response; 0 is any"
    )
    limit_head: int = option(64 << 10, size(256, 16 << 20), "most bytes of a request head")
    limit_target: int = option(8192, head_size, "most bytes of a request target")
    limit_fields: int = option(100, whole(1, 256), "most header fields")
    limit_field_size: int = option(8192, head_size, "most bytes of one header field")
    limit_body: int = option(1 << 30, size(0, 1 << 50), "most bytes of a request body; 0 allows none")
    limit_trailers: int = option(8192, size(0, 16 << 20), "most bytes of trailer fields after a chunked body")
    limit_chunk_ext: int = option(16 << 10, size(0, 16 << 20), "most bytes of chunk extensions of one body")
    stream_body: bool = option(False, flag, "hand request bodies to threads as they come, not when they are whole")
    limit_queue: int = option(1024, whole(1, 1 << 20), "most requests that wait for a thread; others get a 503")
    limit_spool: int = option(
        64 << 20, size(0, 1 << 50), "most bytes of a slow reader's response in a file that frees its thread; 0 is none"
    )
    body_memory: int = option(1 << 20, size(0, 1 << 40), "most bytes of a body in memory; a longer one goes to a file")
    ws_max_size: int = option(16 << 20, size(0, 1 << 40), "most bytes of a WebSocket message, expanded")
    ws_max_queue: int = option(32, whole(1, 1 << 20), "WebSocket messages that wait for the application")
    ws_ping_interval: float = option(20.0, seconds, "seconds of silence before a WebSocket is pinged; 0 is never")
    ws_ping_timeout: float = option(20.0, seconds, "seconds for the answer to a ping; 0 is no limit")
    ws_per_message_deflate: bool = option(True, flag, "compress WebSocket messages when the client can")
    # No option: bind, or what host, port, uds or fd come to; empty when none of them was given.
    places: tuple[Place, ...] = ()

    @property
    def supervised(self) -> bool:
        """Whether the application runs in worker processes."""
        renews = self.max_requests > 0 or self.max_worker_age > 0 or self.max_worker_memory > 0
        needs_another = self.timeout_request > 0 or bool(self.user or self.group)
        return self.workers > 0 or renews or needs_another or self.preload or self.reload


class Options(TypedDict, total=False):
    """The same options as run() and Server() take them: sizes and numbers as text too."""

    bind: str | Sequence[str]
    host: str
    port: int | str
    uds: str
    fd: int | str
    uds_mode: str
    backlog: int | str
    accept: Accept
    workers: int | str
    threads: int | str
    max_requests: int | str
    max_requests_jitter: int | str
    max_worker_age: float | str
    max_worker_memory: int | str
    user: str
    group: str
    umask: str
    preload: bool
    reload: bool
    admin: str | Sequence[str]
    limit_concurrency: int | str
    pid: str
    interface: Interface
    lifespan: LifespanMode
    loop: LoopName
    factory: bool
    app_dir: str
    log_level: str
    log_file: str
    access_log: bool
    access_log_format: str
    access_log_sample: float | str
    queue_time: bool
    access_logfile: str
    server_header: bool
    date_header: bool
    forwarded_allow_ips: str | Sequence[str]
    forwarded_headers: str | Sequence[str]
    proxy_allow_from: str | Sequence[str]
    uwsgi_allow_from: str | Sequence[str]
    root_path: str
    timeout_header: float | str
    timeout_body: float | str
    timeout_keep_alive: float | str
    timeout_write: float | str
    timeout_request: float | str
    timeout_graceful_shutdown: float | str
    min_body_rate: int | str
    min_write_rate: int | str
    limit_head: int | str
    limit_target: int | str
    limit_fields: int | str
    limit_field_size: int | str
    limit_body: int | str
    limit_trailers: int | str
    limit_chunk_ext: int | str
    stream_body: bool
    limit_queue: int | str
    limit_spool: int | str
    body_memory: int | str
    ws_max_size: int | str
    ws_max_queue: int | str
    ws_ping_interval: float | str
    ws_ping_timeout: float | str
    ws_per_message_deflate: bool


TABLE = {row.name: row for row in fields(Config) if row.metadata}

# Ways to say where to listen: one at a time.
WAY_OF = {"bind": "bind", "host": "tcp", "port": "tcp", "uds": "uds", "fd": "fd"}
NO_PLACE: Mapping[str, object] = {"bind": (), "uds": "", "fd": NO_FD}


class Layer(NamedTuple):
    """Values from one place; label says how that place spells an option's name."""

    values: Mapping[str, object]
    label: Callable[[str], str]


def spell_flag(name: str) -> str:
    return "APP" if name == "app" else "--" + name.replace("_", "-")


def spell_variable(name: str) -> str:
    return ENV_PREFIX + name.upper()


def spell_key(name: str) -> str:
    return "[tool.velocem] " + name.replace("_", "-")


def command_line(values: Mapping[str, object]) -> Layer:
    return Layer(values, spell_flag)


def environment(environ: Mapping[str, str] | None = None) -> Layer:
    """Every VELOCEM_ variable."""
    variables = os.environ if environ is None else environ
    values = {key[len(ENV_PREFIX) :].lower(): value for key, value in variables.items() if key.startswith(ENV_PREFIX)}
    return Layer(values, spell_variable)


def conventions(environ: Mapping[str, str] | None = None) -> Layer:
    """Variables without our prefix that platforms set and other servers read."""
    variables = os.environ if environ is None else environ
    return Layer(
        {name: variables[key] for key, name in SHARED_VARIABLES.items() if key in variables}, SPELT.__getitem__
    )


def pyproject(folder: Path) -> Layer:
    """The table [tool.velocem] of the folder's pyproject.toml, if there is one."""
    return Layer(read_pyproject(folder / "pyproject.toml"), spell_key)


def read_pyproject(path: Path) -> dict[str, object]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from None
    import tomllib  # noqa: PLC0415 - a tenth of what a start without such a file takes

    try:
        document: dict[str, Any] = tomllib.loads(text)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None
    table: Any = document.get("tool", {}).get("velocem", {})
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: tool.velocem is not a table")
    return {key.replace("-", "_"): value for key, value in cast("dict[str, object]", table).items()}


def call(values: Mapping[str, object]) -> Layer:
    """Keyword arguments; app is not among them."""
    if "app" in values:
        raise ConfigError("app is given twice")
    return Layer(values, str)


def nearest(name: str) -> str | None:
    """The option that was probably meant."""
    if name in ELSEWHERE:
        return ELSEWHERE[name]
    import difflib  # noqa: PLC0415  # only for those who mistype

    found = difflib.get_close_matches(name, [*TABLE, *LATER], n=1)
    return found[0] if found else None


def unknown(name: str, label: Callable[[str], str]) -> ConfigError:
    meant = nearest(name)
    return ConfigError(f"{label(name)}: no such option" + (f"; did you mean {label(meant)}?" if meant else ""))


def read_value(name: str, value: object, spell: Callable[[str], str]) -> object:
    label = spell(name)
    if name in LATER:
        raise ConfigError(f"{label} is not available in this version")
    if name not in TABLE:
        raise unknown(name, spell)
    try:
        return cast("Reader[object]", TABLE[name].metadata["read"])(value)
    except ConfigError as error:
        raise ConfigError(f"{label}: {error}") from None
    except ValueError as error:
        raise ConfigError(f"{label}: {value!r} is not {error}") from None


def way_of(values: Mapping[str, object], label: Callable[[str], str]) -> str | None:
    """How one layer says where to listen, if it does."""
    named = {WAY_OF[name]: name for name in WAY_OF if name in values and values[name] != NO_PLACE.get(name)}
    if len(named) > 1:
        one, other = list(named.values())[:2]
        raise ConfigError(f"{label(one)} and {label(other)} exclude each other; {label('bind')} takes several places")
    return next(iter(named), None)


def places_of(way: str | None, settings: Config) -> tuple[Place, ...]:
    match way:
        case "bind" if settings.bind:
            return tuple(map(parse, settings.bind))
        case "tcp":
            return (Tcp(settings.host.strip("[]"), settings.port),)
        case "uds" if settings.uds:
            return (unix(settings.uds),)
        case "fd" if settings.fd != NO_FD:
            return (Descriptor(settings.fd),)
        case _:
            return ()


def build(*layers: Layer) -> Config:
    """The configuration of these layers; a later one wins. Each is checked whole, also where it is overruled.

    Where to listen is one thing: a layer that says it overrules what others have said of it, by whatever option.
    """
    values: dict[str, object] = {}
    way = None
    for layer in layers:
        given = {name: read_value(name, value, layer.label) for name, value in layer.values.items()}
        if (here := way_of(given, layer.label)) is not None:
            way = here
            values = {name: value for name, value in values.items() if WAY_OF.get(name, way) == way}
        values |= given
    if values.get("access_logfile", "-") != "-":
        values.setdefault("access_log", True)
    settings = Config(**values)  # type: ignore[arg-type]
    if settings.stream_body and not settings.threads:
        raise ConfigError("stream_body needs threads: on the loop a slow sender would hold up everybody")
    return replace(settings, places=places_of(way, settings))


def surroundings() -> tuple[Layer, Layer, Layer]:
    """What is around a command or a call: the file of the folder, then variables that many servers know, then ours."""
    return pyproject(Path.cwd()), conventions(), environment()


def show(*layers: Layer) -> str:
    """The configuration of these layers, as it could stand in pyproject.toml; with where each value comes from."""
    settings = build(*layers)
    origins = {name: layer.label(name) for layer in layers for name in layer.values}
    lines = [(show_option(name, getattr(settings, name)), origins.get(name, "default")) for name in TABLE]
    width = max(len(line) for line, _ in lines)
    return "\n".join(["[tool.velocem]", *(f"{line:{width}}  # {origin}" for line, origin in lines)])


def show_option(name: str, value: object) -> str:
    """What JSON writes for these types is TOML. Only one way to say where to listen may stand there."""
    import json  # noqa: PLC0415  # only for those who ask

    line = f"{name.replace('_', '-')} = {json.dumps(value)}"
    return f"# {line}" if name in WAY_OF and value == TABLE[name].default else line
