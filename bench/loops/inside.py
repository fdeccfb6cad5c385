"""Runs a program of this folder inside a loop: inside.py program module:factory port seconds.

A program has either

    start(loop, port)       a coroutine function that listens; the loop runs until the process is ended
    batch(loop)             makes a coroutine function that does OPERATIONS operations; what they cost is printed
"""

import asyncio
import importlib
import json
import sys
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parent.parent)

from loops import measuring  # noqa: E402


def new_loop(text: str) -> asyncio.AbstractEventLoop:
    module, _, factory = text.partition(":")
    loop: asyncio.AbstractEventLoop = getattr(importlib.import_module(module), factory)()
    asyncio.set_event_loop(loop)
    return loop


def measure(loop: asyncio.AbstractEventLoop, program: Any, seconds: float) -> dict[str, Any]:
    operations = getattr(program, "OPERATIONS", measuring.OPERATIONS)
    try:
        return loop.run_until_complete(measuring.cost(program.batch(loop), operations, seconds))
    except NotImplementedError as error:
        return {"lacks": str(error) or "what is asked of it"}
    except measuring.WrongError as error:
        return {"wrong": str(error)}


def main(name: str, factory: str, port: str, seconds: str) -> None:
    program = importlib.import_module(f"loops.{name}")
    loop = new_loop(factory)
    if hasattr(program, "start"):
        loop.run_until_complete(program.start(loop, int(port)))
        loop.run_forever()
    else:
        print(json.dumps(measure(loop, program, float(seconds))))


main(*sys.argv[1:])
