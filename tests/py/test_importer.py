"""Finding the application: what is served, and what every failure says."""

import functools
import itertools
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from velocem import importer
from velocem.exceptions import ApplicationError, ConfigError, StartError

Write = Callable[[str], str]
WSGI = "def app(environ, start_response):\n    return [b'']\n"
numbers = itertools.count()


@pytest.fixture
def write(tmp_path: Path) -> Iterator[Write]:
    """Writes a module and gives its name: a new one each time, since imports are remembered."""
    path, modules = list(sys.path), set(sys.modules)

    def make(source: str) -> str:
        name = f"module_{next(numbers)}"
        (tmp_path / f"{name}.py").write_text(source)
        return name

    yield make
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., object]:
    return functools.partial(importer.load, app_dir=str(tmp_path))


def start_error(load: Callable[..., object], *args: Any, **options: Any) -> str:
    with pytest.raises(StartError) as caught:
        load(*args, **options)
    assert not isinstance(caught.value, ApplicationError)
    assert caught.value.__cause__ is None
    return str(caught.value)


def users_traceback(load: Callable[..., object], *args: Any, **options: Any) -> str:
    with pytest.raises(ApplicationError) as caught:
        load(*args, **options)
    return "".join(traceback.format_exception(caught.value.__cause__))


def test_module_and_attribute(write: Write, load: Any) -> None:
    name = write(WSGI)
    assert load(f"{name}:app") is sys.modules[name].app


def test_dots_after_the_colon(write: Write, load: Any) -> None:
    name = write(
        f"class site:\n    class web:\n        @staticmethod\n        {WSGI.replace(chr(10), chr(10) + ' ' * 8)}\n"
    )
    assert load(f"{name}:site.web.app") is sys.modules[name].site.web.app


def test_a_module_in_a_package(tmp_path: Path, write: Write, load: Any) -> None:
    package = write("")
    (tmp_path / f"{package}.py").unlink()
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text("")
    (tmp_path / package / "web.py").write_text(WSGI)
    assert callable(load(f"{package}.web:app"))


@pytest.mark.parametrize("call", ["make()", "make(3)", "make(3, name='x')", "deep.make([1], name={'a': None})"])
def test_the_call_form_with_literal_arguments(call: str, write: Write, load: Any) -> None:
    make = "def make(*args, **named):\n    def app(environ, start_response): ...\n"
    make += "    app.got = args, named\n    return app\n"
    name = write(make + "class deep:\n    make = staticmethod(make)\n")
    arguments = call[call.index("(") :]
    assert load(f"{name}:{call}").got == eval(f"(lambda *a, **n: (a, n)){arguments}")


def test_factory(write: Write, load: Any) -> None:
    name = write("def make():\n    def app(environ, start_response): ...\n    return app\n")
    assert load(f"{name}:make", factory=True).__name__ == "app"


@pytest.mark.parametrize(
    "spec",
    [
        "app",
        "",
        ":",
        "app:",
        ":app",
        "a b:c",
        "a:b c",
        "a:b[0]",
        "a:b().c",
        "a:b()()",
        "a:1",
        "a..b:c",
        "a:(b, c)",
        "1a:b",
    ],
)
def test_other_forms_are_refused(spec: str) -> None:
    with pytest.raises(ConfigError, match="is not of the form module:attribute"):
        importer.parse(spec)


@pytest.mark.parametrize("spec", ["app.py:app", "pkg/app:app", "./app.py"])
def test_a_file_name_is_refused_with_advice(spec: str) -> None:
    with pytest.raises(ConfigError, match="names a file; give a module"):
        importer.parse(spec)


@pytest.mark.parametrize("call", ["make(print())", "make(x)", "make(**{})", "make(*[1])"])
def test_arguments_that_are_code_are_refused(call: str, load: Any) -> None:
    with pytest.raises(ConfigError, match="arguments of a factory must be literals"):
        load(f"whatever:{call}")


def test_a_missing_module(load: Any) -> None:
    assert (
        start_error(load, "no_such_module:app") == "no module named 'no_such_module', looking for 'no_such_module:app'"
    )


def test_a_missing_submodule(write: Write, load: Any) -> None:
    name = write(WSGI)
    assert start_error(load, f"{name}.sub:app") == f"no module named '{name}.sub', looking for '{name}.sub:app'"


def test_a_missing_attribute(write: Write, load: Any) -> None:
    name = write("class a: pass\n")
    assert start_error(load, f"{name}:b") == f"'{name}' has no attribute 'b', looking for '{name}:b'"
    assert start_error(load, f"{name}:a.c") == f"'{name}.a' has no attribute 'c', looking for '{name}:a.c'"


def test_a_missing_folder(load: Any) -> None:
    assert start_error(load, "a:b", app_dir="/nowhere") == "--app-dir: /nowhere is not a folder"


def test_what_cannot_be_called(write: Write, load: Any) -> None:
    name = write("app = 3\n")
    assert start_error(load, f"{name}:app") == f"'{name}:app' is not callable: it is of type int"
    assert start_error(load, f"{name}:app", factory=True) == f"'{name}:app' is not callable: it is of type int"


def test_a_factory_that_returns_no_application(write: Write, load: Any) -> None:
    name = write("def make(): pass\n")
    assert start_error(load, f"{name}:make()") == f"'{name}:make()' is not callable: it is of type NoneType"


def test_a_factory_that_does_not_take_these_arguments(write: Write, load: Any) -> None:
    name = write("def make(a): pass\n")
    assert start_error(load, f"{name}:make()").startswith(
        f"the factory '{name}:make()' cannot be called: make() missing"
    )


def test_a_factory_without_the_option_is_told_apart(write: Write, load: Any) -> None:
    name = write("def make(): pass\n")
    assert start_error(load, f"{name}:make").endswith("is it a factory? Then add --factory")


def test_a_factory_that_raises_shows_its_own_frames_only(write: Write, load: Any) -> None:
    name = write("def make():\n    raise KeyError('deep')\n")
    text = users_traceback(load, f"{name}:make()")
    assert "KeyError: 'deep'" in text
    assert text.count("File ") == 1
    assert f"{name}.py" in text


@pytest.mark.parametrize("statement", ["1 / 0", "raise SystemExit(1)", "raise MemoryError", "import no_such_thing"])
def test_a_module_that_raises_shows_its_own_frames_only(statement: str, write: Write, load: Any) -> None:
    name = write(f"def fail():\n    {statement}\nfail()\n")
    text = users_traceback(load, f"{name}:app")
    assert text.count("File ") == 2
    assert text.count(f"{name}.py") == 2


def test_a_syntax_error_points_at_the_line(write: Write, load: Any) -> None:
    name = write("x = 1\ny = = 2\n")
    text = users_traceback(load, f"{name}:app")
    assert f'{name}.py", line 2' in text
    assert text.count("File ") == 1


def test_a_module_that_imports_a_missing_sibling_of_its_own_name(write: Write, load: Any) -> None:
    name = write("")
    inner = write(f"import {name}.gone\n")
    assert f"No module named '{name}.gone'" in users_traceback(load, f"{inner}:app")


def test_interrupting_an_import_is_no_error_of_the_application(write: Write, load: Any) -> None:
    name = write("raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        load(f"{name}:app")


ASGI = {
    "function": "async def app(scope, receive, send): ...\n",
    "object": "class A:\n    async def __call__(self, scope, receive, send): ...\napp = A()\n",
    "partial": "import functools\nasync def f(x, scope, receive, send): ...\napp = functools.partial(f, 1)\n",
    "method": "class A:\n    async def serve(self, scope, receive, send): ...\napp = A().serve\n",
    "class": "class app:\n    def __init__(self, scope, receive, send): ...\n    def __await__(self): ...\n",
}


@pytest.mark.parametrize("kind", ASGI)
def test_asgi_applications_are_recognised(kind: str, write: Write, load: Any) -> None:
    app = load(f"{write(ASGI[kind])}:app")
    assert importer.interface_of(app, "auto") == "asgi"
    assert importer.interface_of(app, "wsgi") == "wsgi"


def test_applications_of_asgi_2_are_refused(write: Write, load: Any) -> None:
    name = write("class app:\n    def __init__(self, scope): ...\n    async def __call__(self, receive, send): ...\n")
    wanted = f"'{name}:app' is an application of ASGI 2; this server speaks ASGI 3 only"
    assert start_error(load, f"{name}:app") == wanted


def test_a_factory_of_asgi_is_told_from_an_application(write: Write, load: Any) -> None:
    name = write("async def app(): ...\n")
    wanted = f"'{name}:app' does not take (scope, receive, send); is it a factory? Then add --factory"
    assert start_error(load, f"{name}:app") == wanted


NOT_ASGI = {
    "object": "class A:\n    def __call__(self, environ, start_response): ...\napp = A()\n",
    "class": "class app:\n    def __init__(self, environ, start_response): ...\n    def __iter__(self): ...\n",
    "partial": "import functools\ndef f(x, environ, start_response): ...\napp = functools.partial(f, 1)\n",
    "wrapper": "import functools\ndef inner(request): ...\n@functools.wraps(inner)\ndef app(*args): ...\n",
    "builtin": "app = print\n",
}


@pytest.mark.parametrize("kind", NOT_ASGI)
def test_every_callable_that_may_be_wsgi_is_taken(kind: str, write: Write, load: Any) -> None:
    app = load(f"{write(NOT_ASGI[kind])}:app")
    assert callable(app)
    assert importer.interface_of(app, "auto") == "wsgi"


def test_the_user_can_insist_on_wsgi(write: Write, load: Any) -> None:
    assert load(f"{write(ASGI['function'].replace('scope, receive, send', '*a'))}:app", interface="wsgi")


def test_the_folder_comes_first_on_the_path_and_once(write: Write, load: Any, tmp_path: Path) -> None:
    for _ in range(2):
        load(f"{write(WSGI)}:app")
    assert sys.path[0] == str(tmp_path)
    assert sys.path.count(str(tmp_path)) == 1
