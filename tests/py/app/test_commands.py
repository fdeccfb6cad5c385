"""velocem routes, openapi and explain."""

import json
from pathlib import Path

import pytest
from support.process import command

from velocem import commands

APP = """
from collections.abc import Iterator
from datetime import date
from velocem import App, Group, Limits, Request

def old(environ, start_response): ...

class Session: ...

app = App(title="Told")
app.use(Limits(body="1k"))
group = Group("/api")

@app.provide
def session() -> Iterator[Session]:
    yield Session()

@group.around
async def timed(call):
    return await call()

@app.get("/users/{id:int}")
def user(id: int, q: str = "", since: date | None = None) -> str:
    return q

@app.get("/re/{x:re([a-z]+)}", blocking=True)
def slow(x: str, req: Request) -> None: ...

@group.post("/sessions")
def make(s: Session) -> None: ...

app.include(group)
app.mount("/old", old)
make_app = lambda: app
nothing = object()

def broken():
    app.get("/odd")(lambda x: x)
    return app
"""


@pytest.fixture(name="folder")
def make_folder(tmp_path: Path) -> Path:
    (tmp_path / "told.py").write_text(APP)
    return tmp_path


def tell(folder: Path, *words: str) -> str:
    done = command(*words, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_routes(folder: Path) -> None:
    lines = [line.split() for line in tell(folder, "routes", "told:app").splitlines()]
    assert [line[:-1] for line in lines] == [
        ["GET", "/users/{id:int}", "user"],
        ["GET", "/re/{x:re([a-z]+)}", "slow"],
        ["POST", "/api/sessions", "make"],
        ["*", "/old", "mount", "(wsgi)"],
    ]
    number = APP.splitlines().index('@app.get("/users/{id:int}")') + 1
    assert lines[0][-1] == f"told.py:{number}"


def test_openapi(folder: Path) -> None:
    assert json.loads(tell(folder, "openapi", "told:app"))["info"]["title"] == "Told"
    assert json.loads(tell(folder, "openapi", "told:make_app", "--factory"))["info"]["title"] == "Told"
    assert json.loads(tell(folder.parent, "openapi", "told:app", "--app-dir", str(folder)))["openapi"] == "3.1.0"


def test_explain(folder: Path) -> None:
    told = tell(folder, "explain", "told:app", "get", "/users/1?q=a")
    assert "with {'id': 1}" in told
    assert "  path id: as the router made it\n" in told
    assert "  query q: text\n" in told
    assert "  query since: converted  [slow: by a call of Python]\n" in told
    assert f"  call user ({folder}/told.py:" in told
    assert "  policy: body_limit = 1024" in told
    slow = tell(folder, "explain", "told:app", "GET", "/re/abc")
    assert "slow: re([a-z]+)" in slow
    assert "  request  [slow: a Request is made]" in slow
    assert "[slow: a thread runs it]" in slow
    hooked = tell(folder, "explain", "told:app", "POST", "/api/sessions")
    assert "  around timed  [slow: the onion is Python]" in hooked
    assert "  provider session, cleaned up after the response" in hooked
    assert "  call make\n" in hooked
    assert "404" in tell(folder, "explain", "told:app", "GET", "/nothing")
    assert "405" in tell(folder, "explain", "told:app", "PUT", "/users/1")
    assert "mount /old" in tell(folder, "explain", "told:app", "PUT", "/old/x")


@pytest.mark.parametrize(
    ("words", "status", "line"),
    [
        (["routes"], 2, "routes: the following arguments are required: module:attribute"),
        (["explain", "told:app"], 2, "explain: the following arguments are required: method, path"),
        (["routes", "told:app", "--port", "1"], 2, "routes: unrecognized arguments: --port 1"),
        (["routes", "told:none"], 3, "'told' has no attribute 'none'"),
        (["routes", "told:nothing"], 3, "'told:nothing' is not callable"),
        (["routes", "told:old"], 3, "'told:old' is no velocem.App"),
        (["routes", "told:broken()"], 3, "parameter 'x' has no annotation"),
    ],
)
def test_what_cannot_be_told_is_one_line_and_a_status(folder: Path, words: list[str], status: int, line: str) -> None:
    done = command(*words, cwd=folder)
    assert done.returncode == status
    assert f"velocem: error: {line}" in done.stderr or line in done.stderr
    assert "Traceback" not in done.stderr


def test_a_start_that_cannot_be_is_told_with_both_fixes(folder: Path) -> None:
    done = command("told:broken()", "--port", "0", cwd=folder)
    assert done.returncode == 3
    assert f"{folder}/told.py:" in done.stderr
    assert "\n  either x: str" in done.stderr
    assert "Traceback" not in done.stderr


def test_commands_are_functions_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert "/users/{id:int}" in commands.run("routes", ["told:app"])
