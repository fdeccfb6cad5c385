"""The load generator and the floor, and servers that do as they are told."""

from collections.abc import Iterator

import pytest
from support.benchload import Programs, Scripted, build


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    return build(tmp_path_factory.mktemp("programs"))


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    servers = Scripted()
    yield servers
    servers.stop()
