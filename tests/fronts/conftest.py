"""Fronts with two instances behind them, each kind once for all tests of a file."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from support.fronts import Site, make_site


@pytest.fixture(scope="module", params=["http-app", "http-asgi", "uwsgi-app", "uwsgi-asgi", "tcp-app"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    kind, app = str(request.param).split("-")
    with ExitStack() as stack:
        yield make_site(stack, tmp_path_factory.mktemp("site"), kind, app)
