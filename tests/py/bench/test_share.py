"""What the share of routing in a request is said to be was measured."""

import re

from routers import share


def test_both_frameworks_are_measured_as_they_are_and_accelerated() -> None:
    _head, _line, *rows = share.lines(rounds=1)
    assert [row.split(" | ")[0] for row in rows] == ["| Flask", "| FastAPI"]
    for row in rows:
        figures = [float(figure) for figure in re.findall(r"([0-9.]+) \(", row)]
        assert len(figures) == 2
        assert all(figure > 0 for figure in figures)
