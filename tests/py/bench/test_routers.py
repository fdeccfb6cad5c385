"""The routes that routers are asked about in Python and in C are the same."""

import re
from pathlib import Path

from routers.routes import github

FILE = Path(__file__).parents[3] / "bench" / "micro" / "github.def"


def test_github_is_the_same_in_c() -> None:
    rows = re.findall(r'GITHUB\("([^"]+)", "([^"]+)"\)', FILE.read_text(encoding="utf-8"))
    flat = [(method, path) for methods, path in rows for method in methods.split()]
    assert flat == [(route.method, route.path) for route in github()]
