"""gunicorn.conf.py in Velocem's words."""

import os
import runpy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from velocem.exceptions import ConfigError
from velocem.migration import Draft

Convert = Callable[[Any], object]


def same(value: Any) -> object:
    return value


def members(value: Any) -> list[str]:
    """Of a list, or of text with commas."""
    return [word.strip() for word in value.split(",")] if isinstance(value, str) else list(value)


EQUAL: Mapping[str, tuple[str, Convert]] = {
    "wsgi_app": ("app", same),
    "backlog": ("backlog", same),
    "workers": ("workers", same),
    "threads": ("threads", same),
    "chdir": ("app_dir", same),
    "preload_app": ("preload", same),
    "reload": ("reload", same),
    "timeout": ("timeout_request", same),
    "graceful_timeout": ("timeout_graceful_shutdown", same),
    "keepalive": ("timeout_keep_alive", same),
    "max_requests": ("max_requests", same),
    "max_requests_jitter": ("max_requests_jitter", same),
    "worker_connections": ("limit_concurrency", same),
    "limit_request_line": ("limit_target", same),
    "limit_request_fields": ("limit_fields", same),
    "limit_request_field_size": ("limit_field_size", same),
    "errorlog": ("log_file", same),
    "loglevel": ("log_level", same),
    "pidfile": ("pid", same),
    "user": ("user", str),
    "group": ("group", str),
    "umask": ("umask", lambda value: value if isinstance(value, str) else f"{value:o}"),
    "forwarded_allow_ips": ("forwarded_allow_ips", members),
    "uwsgi_allow_ips": ("uwsgi_allow_from", members),
}

HOOK = "no hooks: what it does belongs into the application, at its import or in the lifespan of ASGI"
TLS = "TLS ends at the front: see deploy/nginx and deploy/haproxy"
HOOKS = (
    *("on_starting", "on_reload", "when_ready", "pre_fork", "post_fork", "post_worker_init", "worker_int"),
    *("worker_abort", "pre_exec", "pre_request", "post_request", "child_exit", "worker_exit"),
    *("nworkers_changed", "on_exit", "ssl_context"),
)
NEEDLESS: Mapping[str, str] = {
    "reuse_port": "each worker has a listening socket of its own",
    "worker_tmp_dir": "workers are watched without files",
    "tmp_upload_dir": "TMPDIR says where",
    "sendfile": "it is used where the kernel can",
    "enable_stdio_inheritance": "standard output is left alone",
    "capture_output": "standard output is left alone",
    "check_config": "velocem --check-config",
    "print_config": "velocem --print-config",
    "header_map": "fields with an underscore in their name are dropped",
    "strip_header_spaces": "such requests are refused",
    "casefold_http_method": "such requests are refused",
    "permit_obsolete_folding": "such requests are refused",
    "permit_unconventional_http_method": "every token is a method",
    "permit_unconventional_http_version": "such requests are refused",
    "tolerate_dangerous_framing": "such requests are refused",
}
MISSING: Mapping[str, str] = {
    "daemon": "systemd starts it: see deploy/systemd",
    "proc_name": "processes have titles of their own",
    "default_proc_name": "processes have titles of their own",
    "access_log_format": 'access_log_format is "common", "combined" or "json"',
    "secure_scheme_headers": "X-Forwarded-Proto, of the proxies that forwarded_allow_ips names",
    "forwarder_headers": "X-Forwarded-Prefix in forwarded_headers is SCRIPT_NAME",
    "logger_class": "the log goes to standard error or a file",
    "logconfig": "the log goes to standard error or a file",
    "logconfig_dict": "the log goes to standard error or a file",
    "logconfig_json": "the log goes to standard error or a file",
    "syslog": "the journal of systemd takes standard error",
    "syslog_addr": "the journal of systemd takes standard error",
    "statsd_host": "/metrics of the admin address",
    "statsd_prefix": "/metrics of the admin address",
    "dogstatsd_tags": "/metrics of the admin address",
    "reload_extra_files": "reload sees the files of modules",
    "reload_engine": "reload sees the files of modules",
    "spew": "nothing of the kind",
    "initgroups": "user and group",
    "paste": "an attribute of a module",
    **dict.fromkeys(("certfile", "keyfile", "ca_certs", "ciphers", "cert_reqs", "ssl_version"), TLS),
    **dict.fromkeys(("do_handshake_on_connect", "suppress_ragged_eofs"), TLS),
}
# Settings of theirs that are handled below.
OTHERS = (
    *("bind", "worker_class", "accesslog", "raw_env", "pythonpath", "proxy_protocol", "proxy_allow_ips", "protocol"),
    "disable_redirect_access_to_syslog",
)
ASGI_WORKERS = ("uvicorn.workers.UvicornWorker", "uvicorn_worker.UvicornWorker", "asgi")


def run(path: Path) -> dict[str, Any]:
    """As gunicorn does: it is a program, and what it has set in the end counts."""
    try:
        return runpy.run_path(str(path))
    except Exception as error:  # noqa: BLE001 - whatever it does
        raise ConfigError(f"{path}: {type(error).__name__}: {error}") from None


def show(name: str, value: object) -> str:
    text = repr(value)
    return f"{name} = {text if len(text) <= 60 else text[:57] + '...'}"


def take(draft: Draft, name: str, value: Any) -> None:
    words = show(name, value)
    if name in EQUAL:
        option, convert = EQUAL[name]
        if value is not None:
            draft.set(option, convert(value), words)
    elif name in HOOKS:
        draft.missing[name] = HOOK
    elif name in NEEDLESS:
        draft.needless[words] = NEEDLESS[name]
    elif name in MISSING:
        draft.missing[words] = MISSING[name]


def take_places(draft: Draft, values: Mapping[str, Any]) -> None:
    uwsgi = values.get("protocol") == "uwsgi"
    if "bind" in values:
        found = values["bind"]
        places = [found] if isinstance(found, str) else list(found)
        draft.set("bind", [f"uwsgi+{one}" if uwsgi else one for one in places], show("bind", found))
    elif uwsgi:
        draft.set("bind", ["uwsgi://127.0.0.1:8000"], "protocol = 'uwsgi'")


def take_worker_class(draft: Draft, kind: object) -> None:
    words = show("worker_class", kind)
    if kind in ("sync", "gthread"):
        draft.needless[words] = "threads = 0 is the one, more are the other"
    elif kind in ASGI_WORKERS or (isinstance(kind, str) and kind.startswith("uvicorn")):
        draft.set("interface", "asgi", words)
    else:
        draft.missing[words] = "threads, or an ASGI application"


def take_proxies(draft: Draft, values: Mapping[str, Any]) -> None:
    if values.get("proxy_protocol") not in (None, False, "off"):
        allowed = values.get("proxy_allow_ips", "127.0.0.1,::1")
        draft.set("proxy_allow_from", members(allowed), show("proxy_protocol", values["proxy_protocol"]))
    if "forwarded_allow_ips" not in values:
        draft.remarks.append(
            "gunicorn believes X-Forwarded-Proto of 127.0.0.1 and ::1 unless told otherwise; here nobody is believed: "
            "forwarded-allow-ips names the proxies, unix is whoever comes by a Unix socket"
        )


def take_surroundings(draft: Draft, values: Mapping[str, Any]) -> None:
    entries: list[object] = values.get("raw_env") or []
    for entry in entries:
        name, _, value = str(entry).partition("=")
        draft.variables[name] = value
    if values.get("pythonpath"):
        draft.variables["PYTHONPATH"] = str(values["pythonpath"]).replace(",", os.pathsep)
    log = values.get("accesslog")
    draft.set("access_log", bool(log), show("accesslog", log) if "accesslog" in values else "as gunicorn")
    if log and log != "-":
        draft.set("access_logfile", str(log), show("accesslog", log))


def read(path: Path) -> Draft:
    """What the program has set."""
    draft, values = Draft(path), {name: value for name, value in run(path).items() if not name.startswith("_")}
    take_places(draft, values)
    if "worker_class" in values:
        take_worker_class(draft, values["worker_class"])
    for name, value in values.items():
        take(draft, name, value)
    take_proxies(draft, values)
    take_surroundings(draft, values)
    if "workers" not in draft.options:
        draft.set("workers", 1, "as gunicorn: a supervisor and a worker")
    return draft
