"""Fixtures of the event loop's tests."""

import asyncio
import subprocess
from collections.abc import Iterator

import pytest

import velocem


@pytest.fixture
def loop() -> Iterator[velocem.EventLoop]:
    """A loop that does not run yet."""
    loop = velocem.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """runner.run(main()) on a loop of ours, the same for each call."""
    with asyncio.Runner(loop_factory=velocem.new_event_loop) as runner:
        yield runner


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A self-signed certificate for localhost, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    chain, key = str(folder / "cert.pem"), str(folder / "key.pem")
    options = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", *options, *names, "-keyout", key, "-out", chain]
    subprocess.run(command, check=True, capture_output=True)
    return chain, key
