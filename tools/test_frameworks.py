"""Runs the routing tests in the source packages of web frameworks, with every router accelerated.

Of Starlette, FastAPI, Werkzeug, Flask, Django and Falcon, or of those that are named. --short leaves out what takes
long and has least to do with routing.
"""

import os
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "build" / "frameworks"

# The package, and which of its tests have to do with routing; a module of Django's tests is one of its test apps.
TESTS = {
    "starlette": "test_routing test_applications test_endpoints",
    "fastapi": "test_application test_callable_endpoint test_custom_route_class test_default_response_class_router "
    "test_empty_router test_exception_handlers test_extra_routes test_include_route "
    "test_include_router_defaults_overrides test_invalid_path_param test_operations_signatures test_path "
    "test_route_handler_wrapping test_route_scope test_router_circular_import test_router_events "
    "test_router_include_context test_router_prefix_with_template test_router_redirect_slashes "
    "test_starlette_urlconvertors test_sub_callbacks test_ws_router",
    "werkzeug": "test_routing",
    "flask": "test_async test_basic test_blueprints test_converters test_request test_subclassing test_testing "
    "test_user_error_handler test_views",
    "django": "urlpatterns urlpatterns_reverse resolve_url i18n.patterns handlers middleware flatpages_tests "
    "view_tests",
    "falcon": "test_default_router test_compiled_router test_uri_templates test_http_method_routing "
    "test_uri_converters test_custom_router test_sinks",
}
LONG = {
    "test_applications",
    "test_endpoints",
    "test_testing",
    "handlers",
    "middleware",
    "flatpages_tests",
    "view_tests",
}

PYTEST = ("-m", "pytest", "-q", "-p", "accelerated", "-p", "no:cacheprovider", "-W", "ignore")


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


def run(package: str, *, short: bool) -> int:
    tests = source_of(package) / "tests"
    wanted = [name for name in TESTS[package].split() if not (short and name in LONG)]
    if package == "django":
        folder, command = tests, (str(ROOT / "tools" / "accelerated.py"), "--parallel=1", *wanted)
    else:
        files = [f"tests/{name}.py" for name in wanted if (tests / f"{name}.py").exists()]
        folder, command = tests.parent, (*PYTEST, *files)
    environment = {**os.environ, "ACCELERATED": package, "PYTHONPATH": str(ROOT / "tools")}
    print(f"{package} {version(package)}: {' '.join(wanted)}", flush=True)
    return subprocess.run([sys.executable, *command], cwd=folder, env=environment, check=False).returncode


def main(arguments: list[str]) -> int:
    """Exit status 1 when one of them failed."""
    packages = [each for each in arguments if each != "--short"] or list(TESTS)
    return 1 if [package for package in packages if run(package, short="--short" in arguments) != 0] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
