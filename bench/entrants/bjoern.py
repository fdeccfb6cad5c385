"""Bjoern: C on libev and http-parser. Without a length from the application it sends two segments, 40 ms apart."""

from entrants import Entrant

CODE = """
import importlib, sys, bjoern
bjoern.run(importlib.import_module(sys.argv[1]).app, "127.0.0.1", int(sys.argv[2]))
"""

ENTRANT = Entrant(
    name="bjoern",
    about="C, libev, http-parser",
    command=("{python}", "-c", CODE, "{app}", "{port}"),
    requirements="bjoern.txt",
    env={"BENCH_LENGTH": "1"},
    debian={"/usr/include/ev.h": "libev-dev"},
    leaves_out={"pipelined": "it forgets all but the last of the requests that it reads in one piece"},
)
