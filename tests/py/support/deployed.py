"""An application in processes of its own, for tests that would as well be given a Server."""

from pathlib import Path
from typing import NoReturn

import pytest

from support.process import Process


class Deployed(Process):
    """As people deploy it: two workers with eight threads each."""

    def __init__(self, app: str, *, cwd: Path, env: dict[str, str] | None = None) -> None:
        super().__init__(app, "--port", "0", "--workers", "2", "--threads", "8", "--no-access-log", cwd=cwd, env=env)

    @property
    def url(self) -> str:
        return self.urls[0]

    @property
    def port(self) -> int:
        return self.address[1]

    def stats(self) -> NoReturn:
        pytest.skip("the counters of a worker are not seen from outside")
