"""What a child says to its supervisor, and what it may not break there."""

import os
from collections.abc import Iterator

import pytest

from velocem.children import Child, Report, Reporter, parse


@pytest.fixture
def ends() -> Iterator[tuple[Child, Reporter]]:
    """Of one pipe, without a process behind it."""
    reports, reports_end = os.pipe()
    leash_end, leash = os.pipe()
    os.set_blocking(reports, False)
    child, reporter = Child(0, reports, leash), Reporter(reports_end)
    yield child, reporter
    child.close()
    for fd in (reports_end, leash_end):
        os.close(fd)


def test_reports_arrive_whole_and_in_order(ends: tuple[Child, Reporter]) -> None:
    child, reporter = ends
    assert child.read() == []
    reporter.say("failed", "a line\nand another", "Traceback é")
    os.write(reporter.fd, b"\n")
    reporter.say("ready", "wsgi")
    assert child.read() == [
        Report("failed", "a line\nand another", "Traceback é"),
        Report("worn", "", ""),
        Report("ready", "wsgi", ""),
    ]


def test_a_report_that_comes_in_parts_is_waited_for(ends: tuple[Child, Reporter]) -> None:
    child, reporter = ends
    os.write(reporter.fd, b'["changed", "a.')
    assert child.read() == []
    os.write(reporter.fd, b'py", ""]\n["rea')
    assert child.read() == [Report("changed", "a.py", "")]
    assert not child.is_silent


@pytest.mark.parametrize("line", [b"x", b"[]", b'["ready"]', b"{", b"\xff", b"3", b"null", b'["a", "b", "c", "d"]'])
def test_what_is_no_report_is_left_out(line: bytes) -> None:
    assert parse(line) is None


def test_a_supervisor_that_is_gone_does_not_matter() -> None:
    reports, reports_end = os.pipe()
    os.close(reports)
    Reporter(reports_end).say("ready")
    os.close(reports_end)
