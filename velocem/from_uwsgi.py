"""uwsgi.ini in Velocem's words."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from velocem.exceptions import ConfigError
from velocem.migration import Draft

TRUE = ("", "1", "true", "yes", "on")
PLACEHOLDER = re.compile(r"%\(([\w-]+)\)|\$\((\w+)\)|%([dknpsx])")

Convert = Callable[[str], object]


def same(value: str) -> object:
    return value


def is_true(value: str) -> bool:
    return value.lower() in TRUE


def kibibytes(value: str) -> str:
    return f"{value}k"


def mebibytes(value: str) -> str:
    return f"{value}m"


def mode(value: str) -> str:
    """chmod-socket without a number is 666."""
    return "666" if value in TRUE[2:] or value in ("", "1") else value


# Their option, ours, and how a value is carried over.
EQUAL: Mapping[str, tuple[str, Convert]] = {
    "processes": ("workers", same),
    "workers": ("workers", same),
    "threads": ("threads", same),
    "listen": ("backlog", same),
    "chdir": ("app_dir", same),
    "chmod-socket": ("uds_mode", mode),
    "buffer-size": ("limit_head", same),
    "limit-post": ("limit_body", same),
    "post-buffering": ("body_memory", same),
    "harakiri": ("timeout_request", same),
    "max-requests": ("max_requests", same),
    "max-requests-delta": ("max_requests_jitter", same),
    "max-worker-lifetime": ("max_worker_age", same),
    "reload-on-rss": ("max_worker_memory", mebibytes),
    "evil-reload-on-rss": ("max_worker_memory", mebibytes),
    "worker-reload-mercy": ("timeout_graceful_shutdown", same),
    "reload-mercy": ("timeout_graceful_shutdown", same),
    "socket-timeout": ("timeout_write", same),
    "http-keepalive": ("timeout_keep_alive", same),
    "pidfile": ("pid", same),
    "pidfile2": ("pid", same),
    "safe-pidfile": ("pid", same),
    "logto": ("log_file", same),
    "logto2": ("log_file", same),
    "log-master": ("log_file", lambda _: "-"),
    "req-logger": ("access_logfile", lambda value: value.removeprefix("file:")),
    "uid": ("user", same),
    "gid": ("group", same),
    "umask": ("umask", same),
    "stats": ("admin", lambda value: [place(value)]),
    "stats-server": ("admin", lambda value: [place(value)]),
}

SUPERVISED = "workers have a supervisor"
STRICT = "it is always so"
NEEDLESS: Mapping[str, str] = {
    "master": SUPERVISED,
    "no-orphans": SUPERVISED,
    "die-on-term": "SIGTERM stops, and SIGHUP reloads",
    "vacuum": "files of Unix sockets are removed at the end",
    "enable-threads": "the application may have threads",
    "lazy-apps": "each worker imports the application; preload is the other way",
    "lazy": "each worker imports the application; preload is the other way",
    "single-interpreter": STRICT,
    "need-app": STRICT,
    "strict": "an unknown option is always an error",
    "thunder-lock": "each worker has a listening socket of its own",
    "reuse-port": "each worker has a listening socket of its own",
    "so-reuseport": "each worker has a listening socket of its own",
    "http-auto-chunked": STRICT,
    "http-chunked-input": STRICT,
    "http-websockets": "WebSocket is ASGI's",
    "http-raw-body": STRICT,
    "wsgi-accept-buffer": "what PEP 3333 allows is taken",
    "wsgi-accept-buffers": "what PEP 3333 allows is taken",
    "ignore-sigpipe": STRICT,
    "ignore-write-errors": "a client that leaves is no error",
    "disable-write-exception": "a client that leaves is no error",
    "plugin": "Python is built in",
    "plugins": "Python is built in",
    "auto-procname": "processes have titles",
    "manage-script-name": "a prefix is taken off a path that begins with it",
    "py-call-osafterfork": STRICT,
    "py-callos-afterfork": STRICT,
    "memory-report": "/metrics of the admin address",
    "enable-metrics": "/metrics of the admin address",
    "offload-threads": "files go by sendfile from the loop",
    "catch-exceptions": "never do",
}

FRONT = "the front does that: see deploy/nginx"
SERVICES = "a process of its own, beside this one: a unit of systemd, or a queue of the application's (Celery, RQ)"
TLS = "TLS ends at the front: see deploy/nginx and deploy/haproxy"
MISSING: Mapping[str, str] = {
    "https": TLS,
    "https-socket": TLS,
    "http2": TLS,
    "static-map": FRONT + " (location /static/), or WhiteNoise in the application",
    "static-map2": FRONT + " (location /static/)",
    "check-static": FRONT,
    "static-index": FRONT,
    "static-expires": FRONT + " (expires)",
    "static-gzip-all": FRONT,
    "http-auto-gzip": FRONT + " (gzip on)",
    "http-to-https": FRONT,
    "add-header": "a middleware of the application, or the front (add_header)",
    "mule": SERVICES,
    "mules": SERVICES,
    "spooler": SERVICES,
    "spooler-processes": SERVICES,
    "cron": "cron, or a timer of systemd",
    "attach-daemon": SERVICES,
    "attach-daemon2": SERVICES,
    "smart-attach-daemon": SERVICES,
    "cache": "a cache of the application's (Redis)",
    "cache2": "a cache of the application's (Redis)",
    "emperor": "a unit of systemd for each: see deploy/systemd",
    "vassals-inherit": "a unit of systemd for each: see deploy/systemd",
    "daemonize": "systemd starts it: see deploy/systemd",
    "touch-reload": "SIGHUP (systemctl reload), or reload = true while developing",
    "touch-chain-reload": "SIGHUP (systemctl reload)",
    "gevent": "threads, or an ASGI application",
    "async": "threads, or an ASGI application",
    "asyncio": "an ASGI application",
    "greenlet": "threads, or an ASGI application",
    "cpu-affinity": "CPUAffinity= of systemd",
    "limit-as": "LimitAS= of systemd, or max_worker_memory",
    "chown-socket": "SocketUser= and SocketGroup= of systemd: see deploy/systemd; or uds_mode",
    "logformat": 'access_log_format is "common", "combined" or "json"',
    "log-format": 'access_log_format is "common", "combined" or "json"',
    "log-5xx": "the access log has every request",
    "log-4xx": "the access log has every request",
    "log-slow": "the access log has the microseconds of each request",
    "log-maxsize": "logrotate, then SIGUSR1",
    "logger": "the log goes to standard error or a file",
    "procname-prefix": "processes have titles of their own",
    "procname": "processes have titles of their own",
    "http-timeout": "timeout_request, if it was for slow pages",
}

RELOADS = ("py-autoreload", "python-autoreload", "py-auto-reload")
HOMES = ("home", "virtualenv", "venv", "pyhome")
PATHS = ("pythonpath", "python-path", "pp")
UWSGI_SOCKETS = ("socket", "uwsgi-socket")
HTTP_SOCKETS = ("http", "http-socket", "http11-socket")
MODULES = ("module", "wsgi")
FILES = ("wsgi-file", "file")
COMMANDS = ("hook-", "exec-", "cron", "attach-daemon", "smart-attach", "route", "env")  # a value may have " ;" in it
COMMENT = re.compile(r"\s+[;#].*")


def lines(path: Path) -> Iterator[tuple[str, str]]:
    """Of its section [uwsgi], or what stands before any. Not configparser's: options repeat."""
    section = "uwsgi"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from None
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line.strip("[]")
        elif line and line[0] not in "#;" and section == "uwsgi":
            name, _, value = line.partition("=")
            name = name.strip().replace("_", "-")
            yield name, meant(name, value.strip())


def meant(name: str, value: str) -> str:
    """Without a comment behind it: to uWSGI that is part of the value, of which it reads the number in front."""
    return value if name.startswith(COMMANDS) else COMMENT.sub("", value)


def expand(value: str, path: Path, known: Mapping[str, str]) -> str:
    """Their placeholders: %(option), $(VARIABLE) and the path's parts. What is not known stays."""
    whole = path.resolve()
    parts = {
        "p": str(whole),
        "s": whole.name,
        "d": f"{whole.parent}/",
        "n": whole.stem,
        "x": "uwsgi",
        "k": str(os.cpu_count()),
    }

    def replace(found: re.Match[str]) -> str:
        option, variable, part = found.groups()
        if part:
            return parts[part]
        return known.get(option, found[0]) if option else os.environ.get(variable, found[0])

    return PLACEHOLDER.sub(replace, value)


def place(value: str, protocol: str = "http") -> str:
    """A path, @name, :port or host:port."""
    plain = f"unix:{value}" if "/" in value or value.startswith("@") else value
    if protocol == "http":
        return plain
    return f"uwsgi+{plain}" if plain.startswith("unix:") else f"uwsgi://{plain}"


class Reading:
    """One file."""

    def __init__(self, path: Path) -> None:
        self.draft = Draft(path)
        self.known: dict[str, str] = {}
        self.module = self.attribute = ""
        self.sources: list[str] = []

    def take(self, name: str, value: str) -> None:
        draft, words = self.draft, f"{name} = {value}" if value else name
        if name in EQUAL:
            option, convert = EQUAL[name]
            draft.set(option, convert(value), words)
        elif name in UWSGI_SOCKETS:
            draft.add("bind", place(value, "uwsgi"), words)
        elif name in HTTP_SOCKETS:
            draft.add("bind", place(value), words)
        elif not self.take_application(name, value, words) and not self.take_special(name, value, words):
            self.take_other(name, value, words)

    def take_application(self, name: str, value: str, words: str) -> bool:
        if name in MODULES:
            self.module, _, attribute = value.partition(":")
            self.attribute = attribute or self.attribute
        elif name in FILES:
            file = Path(value)
            self.module = file.stem if file.is_absolute() else ".".join(file.with_suffix("").parts)
            if file.is_absolute():
                self.draft.set("app_dir", str(file.parent), words)
        elif name == "callable":
            self.attribute = value
        elif name == "mount":
            prefix, _, target = value.partition("=")
            self.module, _, self.attribute = target.partition(":")
            self.draft.set("root_path", prefix.rstrip("/"), words)
        else:
            return False
        self.sources.append(words)
        return True

    def take_special(self, name: str, value: str, words: str) -> bool:
        draft = self.draft
        if name in RELOADS:
            draft.set("reload", value != "0", words)
        elif name in HOMES:
            draft.remarks.append(f"Velocem is installed in that environment: {value.rstrip('/')}/bin/velocem ({words})")
        elif name in PATHS:
            draft.variables["PYTHONPATH"] = os.pathsep.join(filter(None, [draft.variables.get("PYTHONPATH"), value]))
        elif name == "env":
            key, _, text = value.partition("=")
            draft.variables[key] = text
        elif name in ("disable-logging", "disable-request-logging"):
            draft.set("access_log", not is_true(value), words)
        elif name == "log-x-forwarded-for":
            draft.missing[words] = "the log has the client that forwarded_allow_ips lets a proxy name"
        else:
            return False
        return True

    def take_other(self, name: str, value: str, words: str) -> None:
        if name in NEEDLESS:
            self.draft.needless[words] = NEEDLESS[name]
        elif name in MISSING:
            self.draft.missing[words] = MISSING[name]
        elif name.startswith(("route", "error-route", "response-route")):
            self.draft.missing[words] = FRONT
        elif name.startswith("cheaper"):
            self.draft.missing[words] = "SIGTTIN and SIGTTOU have one worker more or fewer"
        elif name.startswith(("hook-", "exec-")):
            self.draft.missing[words] = "ExecStartPre= and its kin of systemd, or the application at its import"
        elif name.startswith(("for", "if-", "end", "ini", "include", "yaml", "json", "xml")):
            self.draft.missing[words] = "not followed: write out what it comes to"
        elif f"%({name})" in self.draft.path.read_text(encoding="utf-8"):
            self.known[name] = value  # a word of the file's own
        else:
            self.draft.missing[words] = "not known here"

    def finish(self) -> Draft:
        draft = self.draft
        if self.module:
            draft.set("app", f"{self.module}:{self.attribute or 'application'}", ", ".join(self.sources))
        if is_true(self.known.get("master", "0")) and "workers" not in draft.options:
            draft.set("workers", 1, "master")
        if "workers" in draft.options and not any(is_true(self.known.get(name, "0")) for name in ("lazy-apps", "lazy")):
            draft.remarks.append("uWSGI imports the application before it forks: that is preload = true")
        if "uwsgi" in str(draft.get("bind")):
            draft.remarks.append("uwsgi is spoken with the loopback and Unix sockets; uwsgi-allow-from names others")
        return draft


def read(path: Path) -> Draft:
    """What the file says."""
    reading = Reading(path)
    for name, raw in lines(path):
        value = expand(raw, path, reading.known)
        reading.take(name, value)
        reading.known.setdefault(name, value)
    return reading.finish()
