"""Facts that stand in two places, held together: the version, the list of installed files, the stub."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import velocem

ROOT = Path(__file__).resolve().parents[2]


def test_the_version_is_that_of_the_build() -> None:
    match = re.search(r"^  version: '(.*)',$", (ROOT / "meson.build").read_text(), re.MULTILINE)
    assert match is not None
    assert velocem.__version__ == match[1]


def test_the_change_log_has_this_version() -> None:
    assert f"## {velocem.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_every_python_source_is_installed() -> None:
    package = ROOT / "velocem"
    listed = set(re.findall(r"'([\w./]+\.(?:pyi?|typed|html))'", (package / "meson.build").read_text()))
    kinds = ("*.py", "*.pyi", "py.typed", "*.html")
    there = {str(path.relative_to(package)) for name in kinds for path in package.rglob(name)}
    assert listed == there


def test_the_package_needs_one_other_at_run_time() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["dependencies"] == ["msgspec>=0.21"]
    assert set(project["optional-dependencies"]) == {"forms", "templates"}  # for who uploads, and who renders pages


def test_every_tool_version_is_pinned() -> None:
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        for line in path.read_text().splitlines():
            assert line.startswith("#") or "==" in line, f"{path.name}: {line}"


def test_every_public_name_is_there_and_says_what_it_is() -> None:
    assert {*velocem.MODULES, "Server", "__version__", "metrics", "run"} == set(velocem.__all__)
    for name in {*velocem.__all__} - {"Next"}:  # which is a Callable
        assert getattr(getattr(velocem, name), "__doc__", None), name
    with pytest.raises(AttributeError, match="nothing"):
        _ = velocem.nothing


def test_a_server_of_other_applications_imports_no_framework() -> None:
    code = "import sys, velocem; print([name for name in ('asyncio', 'msgspec', 'velocem.app') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
