"""Asks a router whether it answers right, then what its answers cost: asking.py program module size seconds.

The program, of this folder, has the routes and the questions. The module is the router's entrant, which has

    build(routes)                    makes find(method, path), which is what a framework calls for each request
    outcome(find, method, path)      what it found, told as routes.Outcome

The cost is that of find, and of the loop around it.
"""

import importlib
import itertools
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parent.parent)

from routers.routes import Answers, Find, Request, Route  # noqa: E402

WARM = 0.2  # of the seconds, before what counts
TOGETHER = 25  # requests between two looks at the clock; some routers need milliseconds for one
CHECKED = 300  # of the requests


def ask(find: Find, requests: list[Request]) -> None:
    for method, path in requests:
        try:  # noqa: SIM105 - suppress costs more
            find(method, path)
        except Exception:  # noqa: BLE001 - how some tell a miss
            pass


def ask_for(find: Find, requests: list[Request], seconds: float) -> int:
    parts = itertools.cycle(requests[i : i + TOGETHER] for i in range(0, len(requests), TOGETHER))
    until = time.perf_counter() + seconds
    count = 0
    while time.perf_counter() < until:
        part = next(parts)
        ask(find, part)
        count += len(part)
    return count


def cost(find: Find, requests: list[Request], seconds: float) -> dict[str, float]:
    ask_for(find, requests, seconds * WARM)
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    count = ask_for(find, requests, seconds)
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "operations": count,
        "seconds": time.perf_counter() - start,
        "user": after.ru_utime - before.ru_utime,
        "system": after.ru_stime - before.ru_stime,
    }


def wrong(router: Any, find: Find, routes: list[Route], requests: list[Request]) -> str:
    """What it answers wrong first, or nothing."""
    answers = Answers(routes)
    for method, path in requests[:CHECKED]:
        found, right = router.outcome(find, method, path), answers.right(method, path)
        if found != right:
            return f"{method} {path} gives {found}, not {right}"
    return ""


def main(program: str, module: str, size: str, seconds: str) -> None:
    routes, requests = importlib.import_module(f"routers.{program}").questions(int(size))
    router = importlib.import_module(f"entrants.{module}")
    find = router.build(routes)
    fault = wrong(router, find, routes, requests)
    print(json.dumps({"wrong": fault} if fault else cost(find, requests, float(seconds))))


main(*sys.argv[1:])
