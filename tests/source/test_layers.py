"""The layer check: it passes what may be, and refuses each kind of violation planted in a small tree."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


def import_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_layers", ROOT / "tools" / "check_layers.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tool = import_tool()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with nothing wrong."""
    files = {
        "src/base/slice.h": "/* Slices. */\n#include <stddef.h>\n",
        "src/http/date.h": '/* Dates. */\n#include "base/slice.h"\n',
        "src/http/date.c": '/* Dates. */\n#include "http/date.h"\n#include <string.h>\n',
        "src/net/loop.h": '/* The loop. */\n#include "base/slice.h"\n#include <sys/epoll.h>\n',
        "src/net/loop.c": '/* The loop. */\n#include "net/loop.h"\n',
        "src/net/loop_extra.c": '/* Another part of it. */\n#include "net/loop.h"\n',
        "src/server/conn.h": '/* Connections. */\n#include "net/loop.h"\n#include "http/date.h"\n',
        "src/py/state.h": "/* State. */\n#include <Python.h>\n",
        "src/py/wsgi/app.c": '/* WSGI. */\n#include "py/state.h"\n#include "server/conn.h"\n',
        "tests/c/http/test_date.c": '/* Dates. */\n#include "http/date.h"\n#include "support/test.h"\n',
        "tests/c/net/test_loop.c": '/* The loop. */\n#include "net/loop.h"\n',
        "velocem/cli.py": '"""The command line."""\n',
    }
    for name, text in files.items():
        put(tmp_path, name, text)
    return tmp_path


def put(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_tree_without_violations_passes(tree: Path) -> None:
    assert tool.check(tree) == []


@pytest.mark.parametrize(
    ("name", "line", "problem"),
    [
        ("src/base/slice.h", '#include "http/date.h"', "base may not include http"),
        ("src/base/slice.h", "#include <sys/socket.h>", "base does not know the network"),
        ("src/http/date.h", '#include "net/loop.h"', "http may not include net"),
        ("src/http/date.h", "  #  include <unistd.h>", "http does no I/O and needs no <unistd.h>"),
        ("src/http/date.h", "#include <Python.h>", "only src/py may know Python"),
        ("src/http1/request.h", '#include "ws/frame.h"', "http1 may not include ws"),
        ("src/http1/request.h", '#include "server/conn.h"', "http1 may not include server"),
        ("src/net/loop.h", '#include "http/date.h"', "net may not include http"),
        ("src/net/loop.h", "#include <openssl/ssl.h>", "only src/tls may know OpenSSL"),
        ("src/server/conn.h", '#include "py/state.h"', "server may not include py"),
        ("src/server/conn.h", "#include <Python.h>", "only src/py may know Python"),
        ("src/py/wsgi/app.c", '#include "py/asgi/app.h"', "py/wsgi may not include py/asgi"),
        ("src/py/wsgi/app.c", '#include "http1/conn.h"', "py/wsgi may not include http1"),
        ("src/py/loop/loop.c", '#include "server/conn.h"', "py/loop may not include server"),
        ("src/py/state.h", "#include <internal/pycore_object.h>", "internal header of the interpreter"),
        ("src/http/date.h", '#include "date.h"', "is in no layer; write the path below src"),
        ("src/extra/x.h", "", "a folder of src that is in no layer"),
        ("tests/c/http/test_date.c", '#include "net/loop.h"', "http may not include net"),
    ],
)
def test_a_planted_violation_is_found(name: str, line: str, problem: str, tree: Path) -> None:
    path = tree / name
    before = path.read_text() if path.exists() else "/* New. */\n"
    put(tree, name, f"{before}{line}\n")
    (found,) = tool.check(tree)
    assert problem in found
    assert found.startswith(f"{name}:{before.count(chr(10)) + 1 if line else 1}: ")


def test_a_file_without_a_test_is_found(tree: Path) -> None:
    put(tree, "src/http/field.c", "/* Fields. */\n")
    assert tool.check(tree) == ["src/http/field.c:1: no test: tests/c/http/test_field.c"]


@pytest.mark.parametrize(
    ("name", "text"),
    [("src/http/x.h", "#pragma once\n"), ("velocem/x.py", "import os\n"), ("tools/x.sh", "#!/bin/sh\nset -e\n")],
)
def test_a_first_line_that_says_nothing_is_found(name: str, text: str, tree: Path) -> None:
    put(tree, name, text)
    assert tool.check(tree) == [f"{name}:1: the first line does not say what the file is"]


def test_a_long_file_is_found(tree: Path) -> None:
    put(tree, "velocem/long.py", '"""Long."""\n' + "x = 1\n" * 600)
    assert tool.check(tree) == ["velocem/long.py:600: 601 lines, at most 600"]


def test_the_exit_status_tells(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main([str(tree)]) == 0
    put(tree, "src/http/date.h", "/* Dates. */\n#include <Python.h>\n")
    assert tool.main([str(tree)]) == 1
    assert "src/http/date.h:2: only src/py may know Python" in capsys.readouterr().err


def test_the_sources_themselves_pass() -> None:
    assert tool.check(ROOT) == []


def test_no_room_may_include_one_that_may_include_it() -> None:
    for room, others in tool.MAY_INCLUDE.items():
        for other in others:
            both_ways = room in tool.MAY_INCLUDE[other]
            assert not both_ways or "py" in (room, other), f"{room} and {other}"
