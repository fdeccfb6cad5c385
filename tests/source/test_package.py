"""Facts that stand in two places, held together: the version, the list of installed files, the stub."""

import re
import tomllib
from pathlib import Path

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
    listed = set(re.findall(r"'([\w./]+\.(?:pyi?|typed))'", (package / "meson.build").read_text()))
    there = {str(path.relative_to(package)) for name in ("*.py", "*.pyi", "py.typed") for path in package.rglob(name)}
    assert listed == there


def test_the_package_needs_one_other_at_run_time() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["dependencies"] == ["msgspec>=0.21"]
    assert "optional-dependencies" not in project


def test_every_tool_version_is_pinned() -> None:
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        for line in path.read_text().splitlines():
            assert line.startswith("#") or "==" in line, f"{path.name}: {line}"


def test_the_public_names_are_these() -> None:
    loops = ["EventLoop", "EventLoopPolicy", "install", "new_event_loop", "metrics"]
    assert sorted(velocem.__all__) == sorted(["Router", "Server", "__version__", "accelerate", *loops, "run"])
