"""Faults: each test breaks something under load and tells its figure; FAULTS=full makes it last."""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.faults import Start, Tell
from support.load import Figure
from support.process import Process

FULL = os.environ.get("FAULTS") == "full"


@pytest.fixture
def full() -> bool:
    """Whether the test has time."""
    return FULL


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Tell:
    """Print the figure of a test, and keep it for the table where `make faults` wants one."""

    def keep(figure: Figure | str) -> None:
        node: pytest.Function = request.node
        row = (node.function.__doc__ or "").strip().rstrip("."), str(figure)
        print(f"{row[0]}: {row[1]}")
        if path := os.environ.get("FAULTS_FIGURES"):
            with Path(path).open("a") as file:
                file.write(json.dumps(row) + "\n")

    return keep


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """start(source, *options): the application of this source, served until the test ends."""
    with ExitStack() as stack:

        def serve(source: str, *options: str) -> Process:
            (tmp_path / "faulty.py").write_text(source)
            arguments = ("faulty:app", "--port", "0", "--no-access-log", *options)
            return stack.enter_context(Process(*arguments, cwd=tmp_path))

        yield serve
