"""Runs the routing tests in the source packages of Starlette, Werkzeug and Falcon, with every router accelerated."""

import os
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "build" / "frameworks"

# The package, and which of its tests have to do with routing.
TESTS = {
    "starlette": "test_routing.py test_applications.py test_endpoints.py",
    "werkzeug": "test_routing.py",
    "falcon": "test_default_router.py test_compiled_router.py test_uri_templates.py test_http_method_routing.py "
    "test_uri_converters.py test_custom_router.py test_sinks.py",
}


def source_of(package: str) -> Path:
    """The unpacked source of the version that is installed; downloaded once."""
    name = f"{package}-{version(package)}"
    if not (SOURCES / name).is_dir():
        SOURCES.mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", package, "-d", str(SOURCES)]
        subprocess.run([*pip, f"{package}=={version(package)}"], check=True)
        with tarfile.open(SOURCES / f"{name}.tar.gz") as archive:
            archive.extractall(SOURCES, filter="data")
    return SOURCES / name


def run(package: str) -> int:
    source = source_of(package)
    files = [f"tests/{name}" for name in TESTS[package].split() if (source / "tests" / name).exists()]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "accelerated",
        "-p",
        "no:cacheprovider",
        "-W",
        "ignore",
        *files,
    ]
    environment = {**os.environ, "ACCELERATED": package, "PYTHONPATH": str(ROOT / "tools")}
    print(f"{package} {version(package)}: {' '.join(files)}", flush=True)
    return subprocess.run(command, cwd=source, env=environment, check=False).returncode


def main(packages: list[str]) -> int:
    """Exit status 1 when one of them failed."""
    return 1 if [package for package in packages or TESTS if run(package) != 0] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
