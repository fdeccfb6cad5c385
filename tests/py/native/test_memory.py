"""A core without memory, and what it leaves behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def test_no_allocation_that_fails_breaks_a_core_and_nothing_leaks() -> None:
    pytest.importorskip("_testcapi", reason="_testcapi, which makes allocations fail, is not installed")
    script = Path(__file__).with_name("starving_core.py")
    path = {"PYTHONPATH": str(script.parents[1])}
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=False, timeout=110, env={**os.environ, **path}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "whole" in done.stdout
