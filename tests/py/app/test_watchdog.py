"""In development a handler that blocks the loop is named."""

import asyncio
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.process import Process

from velocem import App, Group
from velocem.watchdog import Watchdog, codes_of


def report() -> str:
    """Blocks for longer than the patience of the watchdog, however slow the machine is."""
    time.sleep(0.5)
    return "report"


async def waiting() -> str:
    time.sleep(0.5)  # noqa: ASYNC251 - that is the point
    return "waiting"


async def fine() -> str:
    await asyncio.sleep(0.5)
    return "fine"


def told_of(call: Callable[[], Any], caplog: pytest.LogCaptureFixture) -> list[str]:
    app, group = App(), Group("/reports")
    for function in (report, waiting, fine):
        group.get(f"/{function.__name__}")(function)
    app.include(group)

    async def main() -> None:
        dog = Watchdog(asyncio.get_running_loop(), codes_of(list(app.endpoints())), patience=0.2)
        await asyncio.sleep(0.1)
        result = call()
        if asyncio.iscoroutine(result):
            await result
        # It has seen the loop go on when its next sign of life is answered.
        await asyncio.sleep(0.3)
        dog.stop()
        await asyncio.to_thread(dog.thread.join)

    asyncio.run(main())
    return [record.getMessage() for record in caplog.records if "blocked" in record.getMessage()]


def test_a_handler_that_blocks_is_named_with_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    (line,) = told_of(report, caplog)
    assert line.startswith("GET /reports/report blocked the worker ")
    assert line.endswith("(report()); add blocking=True")
    assert f" ms in {__file__}:" in line


def test_one_that_is_async_is_told_something_else(caplog: pytest.LogCaptureFixture) -> None:
    (line,) = told_of(waiting, caplog)
    assert line.startswith("GET /reports/waiting blocked the worker ")
    assert "await something that does not block" in line


def test_one_that_waits_as_it_should_is_not_named(caplog: pytest.LogCaptureFixture) -> None:
    assert not told_of(fine, caplog)


def test_it_watches_with_reload(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import time\nfrom velocem import App\napp = App()\n"
        "@app.get('/report')\ndef report() -> str:\n    time.sleep(1)\n    return 'x'\n"
    )
    with Process("slow:app", "--port", "0", "--reload", cwd=tmp_path) as process:
        with urllib.request.urlopen(f"{process.urls[0]}/report") as response:
            assert response.read() == b"x"
        with urllib.request.urlopen(f"{process.urls[0]}/docs") as response:
            assert response.headers["content-type"].startswith("text/html")
        deadline = time.monotonic() + 10
        while not any("GET /report blocked the worker" in line for line in process.errors):
            assert time.monotonic() < deadline, process.errors
            time.sleep(0.02)
