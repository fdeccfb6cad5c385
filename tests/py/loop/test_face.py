"""The public names, and that nobody pays for them who does not use them."""

import asyncio
import gc
import subprocess
import sys
import warnings

import pytest

import velocem


def test_a_new_loop_is_one_of_asyncio() -> None:
    loop = velocem.new_event_loop()
    assert isinstance(loop, velocem.EventLoop)
    assert isinstance(loop, asyncio.SelectorEventLoop)
    assert repr(loop) == "<EventLoop running=False closed=False debug=False>"
    loop.close()
    assert loop.is_closed()
    loop.close()


def test_a_running_loop_is_not_closed(loop: velocem.EventLoop) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="Cannot close a running event loop"):
            loop.close()
        assert loop.is_running()

    loop.run_until_complete(main())
    assert not loop.is_running()


def test_a_loop_that_nobody_closed_warns() -> None:
    loop = velocem.new_event_loop()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del loop
        gc.collect()
    assert any("unclosed event loop <EventLoop" in str(warning.message) for warning in caught)


@pytest.mark.skipif(sys.version_info >= (3, 16), reason="policies are gone")
def test_install_makes_new_loops_ours() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        velocem.install()
        try:
            assert isinstance(asyncio.get_event_loop_policy(), velocem.EventLoopPolicy)
            loop = asyncio.new_event_loop()
            assert isinstance(loop, velocem.EventLoop)
            loop.close()
        finally:
            asyncio.set_event_loop_policy(None)


def run_python(source: str) -> str:
    result = subprocess.run([sys.executable, "-P", "-c", source], capture_output=True, text=True, check=True)
    assert result.stderr == ""
    return result.stdout.strip()


def test_the_server_does_not_import_asyncio() -> None:
    assert (
        run_python("import sys, velocem; print('asyncio' in sys.modules, hasattr(velocem, 'nothing'))") == "False False"
    )


def test_the_core_alone_gives_its_type() -> None:
    source = "import velocem._core as c; print(c.BaseEventLoop.__name__, c.BaseEventLoop is c.BaseEventLoop)"
    assert run_python(source) == "BaseEventLoop True"


PROGRAM = """
import asyncio, velocem
async def main():
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.001, future.set_result, 1)
    return await future + sum(await asyncio.gather(*(asyncio.sleep(0, i) for i in range(10))))
with asyncio.Runner(loop_factory=velocem.new_event_loop) as runner:
    print(runner.run(main()))
"""


def test_tasks_in_python_run_too() -> None:
    """Without the accelerator module a step is a method, and goes the way of all callbacks."""
    assert run_python("import sys; sys.modules['_asyncio'] = None\n" + PROGRAM) == "46"


def test_handles_of_another_layout_are_left_to_asyncio() -> None:
    other = """
import asyncio.events as e
class Handle(e.Handle):
    __slots__ = ("_first", "_more")
class TimerHandle(e.TimerHandle):
    __slots__ = ("_first", "_more")
e.Handle, e.TimerHandle = Handle, TimerHandle
"""
    more = """
loop = velocem.new_event_loop()
handle, timer = loop.call_soon(print), loop.call_later(0, print, "timer")
assert type(handle) is Handle and type(timer) is TimerHandle
handle.cancel()
loop.call_later(0.01, loop.stop)
loop.run_forever()
timers = [loop.call_later(100, print) for _ in range(300)]
for timer in timers: timer.cancel()
loop.close()
"""
    assert run_python(other + PROGRAM + more) == "46\ntimer"
