"""velocem migrate: files of uWSGI and gunicorn, what they are here, and what is said of the rest."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from support.process import command

from velocem import config
from velocem.cli import main
from velocem.exceptions import ConfigError
from velocem.migration import Draft, migrate

UWSGI = """\
[uwsgi]
; a comment, and
# another
base = /srv/site
project = mysite
chdir = %(base)
module = %(project).wsgi:application
home = %(base)/venv
master = true
processes = 4
threads = 2
socket = /run/site.sock
http = :8080
chmod-socket = 660
vacuum = true
harakiri = 30
max-requests = 5000
max_requests_delta = 500
buffer-size = 32768
listen = 1024
pidfile = %d%n.pid
static-map = /static=/srv/site/static
env = DJANGO_SETTINGS_MODULE=mysite.settings
disable-logging = true
strange-thing = 1
cron = 0 1 -1 -1 -1 /bin/true
route = ^/x redirect:/y
for = a b
[other]
processes = 99
"""

GUNICORN = """\
import multiprocessing

wsgi_app = "mysite.wsgi:application"
bind = ["unix:/run/site.sock", "127.0.0.1:8000"]
workers = multiprocessing.cpu_count() and 3
worker_class = "gthread"
threads = 4
keepalive = 5
graceful_timeout = 20
max_requests = 1000
max_requests_jitter = 50
limit_request_line = 4094
accesslog = "/var/log/access.log"
errorlog = "-"
loglevel = "debug"
forwarded_allow_ips = "10.0.0.1,10.0.0.2"
proxy_protocol = True
preload_app = True
raw_env = ["A=1"]
certfile = "/etc/x.pem"
reuse_port = True


def post_fork(server, worker):
    pass
"""


def draft_of(folder: Path, text: str, name: str = "uwsgi.ini") -> Draft:
    path = folder / name
    path.write_text(text)
    return migrate(path)


def table_of(draft: Draft) -> dict[str, Any]:
    """What is printed, read as TOML, and as a configuration."""
    table: dict[str, Any] = tomllib.loads(draft.show())["tool"]["velocem"]
    config.build(config.Layer({name.replace("-", "_"): value for name, value in table.items()}, config.spell_key))
    return table


def test_uwsgi(tmp_path: Path) -> None:
    draft = draft_of(tmp_path, UWSGI)
    table = table_of(draft)
    table.pop("timeout-request", None)
    assert table == {
        "app": "mysite.wsgi:application",
        "app-dir": "/srv/site",
        "bind": ["uwsgi+unix:/run/site.sock", ":8080"],
        "workers": 4,
        "threads": 2,
        "uds-mode": "660",
        "max-requests": 5000,
        "max-requests-jitter": 500,
        "limit-head": 32768,
        "backlog": 1024,
        "pid": f"{tmp_path}/uwsgi.pid",
        "access-log": False,
    }
    assert draft.variables == {"DJANGO_SETTINGS_MODULE": "mysite.settings"}
    assert {"master = true", "vacuum = true"} <= draft.needless.keys()
    assert "nginx" in draft.missing["static-map = /static=/srv/site/static"]
    assert draft.missing["strange-thing = 1"] == "not known here"
    assert {"cron = 0 1 -1 -1 -1 /bin/true", "route = ^/x redirect:/y", "for = a b"} <= draft.missing.keys()
    assert not any("base" in words or "project" in words for words in draft.missing)
    assert any("/srv/site/venv/bin/velocem" in remark for remark in draft.remarks)


def test_every_line_is_accounted_for(tmp_path: Path) -> None:
    text = draft_of(tmp_path, UWSGI).show()
    for line in UWSGI.partition("[other]")[0].splitlines()[3:]:
        name, _, value = line.partition(" = ")
        if name not in ("base", "project", "home", "env"):
            value = value.replace("%(base)", "/srv/site").replace("%(project)", "mysite")
            value = value.replace("%d%n", f"{tmp_path}/uwsgi")
            assert f"{name.replace('_', '-')} = {value}" in text, line


@pytest.mark.parametrize(
    ("lines", "app", "folder"),
    [
        ("module = site", "site:application", None),
        ("module = site\ncallable = app", "site:app", None),
        ("callable = app\nmodule = site", "site:app", None),
        ("wsgi = site:app", "site:app", None),
        ("wsgi-file = /srv/x/site.py\ncallable = app", "site:app", "/srv/x"),
        ("wsgi-file = pkg/wsgi.py", "pkg.wsgi:application", None),
    ],
)
def test_application_of_uwsgi(tmp_path: Path, lines: str, app: str, folder: str | None) -> None:
    table = table_of(draft_of(tmp_path, f"[uwsgi]\n{lines}\n"))
    assert (table["app"], table.get("app-dir")) == (app, folder)


def test_mount_of_uwsgi(tmp_path: Path) -> None:
    table = table_of(draft_of(tmp_path, "[uwsgi]\nmount = /app=site:app\nmanage-script-name = true\n"))
    assert (table["app"], table["root-path"]) == ("site:app", "/app")


@pytest.mark.parametrize(
    ("line", "bind"),
    [
        ("socket = 127.0.0.1:3031", "uwsgi://127.0.0.1:3031"),
        ("socket = :3031", "uwsgi://:3031"),
        ("uwsgi-socket = @name", "uwsgi+unix:@name"),
        ("http-socket = 0.0.0.0:80", "0.0.0.0:80"),
        ("http-socket = /run/a.sock", "unix:/run/a.sock"),
    ],
)
def test_sockets_of_uwsgi(tmp_path: Path, line: str, bind: str) -> None:
    assert table_of(draft_of(tmp_path, f"[uwsgi]\n{line}\n"))["bind"] == [bind]


def test_master_without_processes_has_a_worker(tmp_path: Path) -> None:
    assert table_of(draft_of(tmp_path, "[uwsgi]\nmaster\n"))["workers"] == 1


def test_comments_behind_values_are_none_of_them(tmp_path: Path) -> None:
    """uWSGI takes them for text; it reads the number that stands in front, and their authors do not know."""
    lines = [
        "processes = 500   ; most",
        "harakiri = 60\t# seconds",
        "disable-logging = true ; of requests",
        "cheaper-busyness-max = 70 ; above it a worker more",
        "exec-asap = true ; false",
    ]
    draft = draft_of(tmp_path, "\n".join(["[uwsgi]", *lines]))
    assert table_of(draft) == {"workers": 500, "timeout-request": 60, "access-log": False}
    assert set(draft.missing) == {"cheaper-busyness-max = 70", "exec-asap = true ; false"}


def test_what_is_switched_off_is_off(tmp_path: Path) -> None:
    draft = draft_of(tmp_path, "[uwsgi]\nmaster = false\nlazy-apps = false\n")
    assert "workers" not in draft.options
    draft = draft_of(tmp_path, "[uwsgi]\nprocesses = 2\nlazy-apps = false\n")
    assert any("preload" in remark for remark in draft.remarks)


def test_what_an_option_refuses_is_told(tmp_path: Path) -> None:
    draft = draft_of(tmp_path, "[uwsgi]\nprocesses = many\nbuffer-size = 1\n")
    assert "is not a whole number" in draft.missing["processes = many"]
    assert "buffer-size = 1" in draft.missing
    assert "workers" not in draft.options


def test_gunicorn(tmp_path: Path) -> None:
    draft = draft_of(tmp_path, GUNICORN, "gunicorn.conf.py")
    assert table_of(draft) == {
        "app": "mysite.wsgi:application",
        "bind": ["unix:/run/site.sock", "127.0.0.1:8000"],
        "workers": 3,
        "threads": 4,
        "timeout-keep-alive": 5,
        "timeout-graceful-shutdown": 20,
        "max-requests": 1000,
        "max-requests-jitter": 50,
        "limit-target": 4094,
        "access-log": True,
        "access-logfile": "/var/log/access.log",
        "log-file": "-",
        "log-level": "debug",
        "forwarded-allow-ips": ["10.0.0.1", "10.0.0.2"],
        "proxy-allow-from": ["127.0.0.1", "::1"],
        "preload": True,
    }
    assert draft.variables == {"A": "1"}
    assert "reuse_port = True" in draft.needless
    assert "post_fork" in draft.missing
    assert "TLS" in draft.missing["certfile = '/etc/x.pem'"]
    assert not draft.remarks


def test_defaults_of_gunicorn(tmp_path: Path) -> None:
    draft = draft_of(tmp_path, "", "gunicorn.conf.py")
    assert table_of(draft) == {"workers": 1, "access-log": False}
    assert "127.0.0.1" in draft.remarks[0]
    assert "# app =" in draft.show()


def test_uwsgi_protocol_of_gunicorn(tmp_path: Path) -> None:
    draft = draft_of(tmp_path, "protocol = 'uwsgi'\nbind = 'unix:/run/s'\nuwsgi_allow_ips = '*'\n", "gunicorn.conf.py")
    table = table_of(draft)
    assert (table["bind"], table["uwsgi-allow-from"]) == (["uwsgi+unix:/run/s"], ["*"])


@pytest.mark.parametrize(
    ("kind", "option"), [("sync", None), ("uvicorn.workers.UvicornWorker", "asgi"), ("gevent", None)]
)
def test_worker_classes_of_gunicorn(tmp_path: Path, kind: str, option: str | None) -> None:
    draft = draft_of(tmp_path, f"worker_class = {kind!r}\n", "gunicorn.conf.py")
    assert draft.get("interface") == option
    assert (f"worker_class = {kind!r}" in draft.missing) == (kind == "gevent")


def test_program_that_fails_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gunicorn.conf.py: ZeroDivisionError: division by zero"):
        draft_of(tmp_path, "workers = 1 / 0\n", "gunicorn.conf.py")


def test_command_prints_what_can_be_used(tmp_path: Path) -> None:
    (tmp_path / "uwsgi.ini").write_text("[uwsgi]\nmodule = site_app:app\nprocesses = 2\nhttp = 127.0.0.1:0\n")
    (tmp_path / "site_app.py").write_text("def app(environ, start_response): ...\n")
    printed = command("migrate", "uwsgi.ini", cwd=tmp_path)
    assert (printed.returncode, printed.stderr) == (0, "")
    (tmp_path / "pyproject.toml").write_text(printed.stdout)
    checked = command("--check-config", cwd=tmp_path)
    assert (checked.returncode, checked.stdout) == (0, "site_app:app can be served\n")


@pytest.mark.parametrize("words", [[], ["none.ini"], ["a.ini", "b.ini"], ["--help"], ["file.yaml"]])
def test_command_that_cannot_is_told_in_one_line(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.yaml").touch()
    assert main(["migrate", *words]) == 2
    said = capsys.readouterr().err
    assert said.startswith("velocem: error: ")
    assert said.count("\n") == 1
