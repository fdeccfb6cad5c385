"""Every Python allocation in the use of a loop can fail: that use fails, and nothing crashes or stays open."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.process import environment

pytest.importorskip("_testcapi", reason="_testcapi, which makes allocations fail, is not installed")

USES = ("callbacks", "tasks", "watchers", "sockets", "stream", "server", "debug", "failing", "threads")

# As in test_memory_errors.py.
BROKEN = r"(?m)^(?!.*<function).*(a result with an exception set|without setting an exception)|Fatal"


@pytest.mark.parametrize("use", USES)
def test_an_allocation_fails(use: str) -> None:
    env = environment({"PYTHONPATH": ":".join([str(Path(__file__).parents[1]), *sys.path])})
    line = [sys.executable, "-P", "-X", "faulthandler", "-m", "support.starving_loop", use]
    result = subprocess.run(line, capture_output=True, text=True, env=env, timeout=110, check=False)
    assert result.returncode == 0, result.stderr[-3000:]
    assert not re.search(BROKEN, result.stderr), result.stderr[-3000:]
    failed, left = map(int, result.stdout.split())
    assert failed > 10
    assert left <= failed // 8  # socket.accept and socketpair of CPython lose some
