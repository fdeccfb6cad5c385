"""What the tests of libraries on the loop share: a certificate, and real servers of databases."""

from collections.abc import Iterator

import pytest
from support import certificates, databases


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> certificates.Pair:
    return certificates.make(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[databases.Database]:
    with databases.postgres() as database:
        yield database


@pytest.fixture(scope="session")
def redis() -> Iterator[databases.Database]:
    with databases.redis() as database:
        yield database
