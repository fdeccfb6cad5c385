"""Japronto: C on uvloop and picohttpparser, last released in 2018. Its newest CPython is 3.7."""

from entrants import Entrant

CODE = """
import importlib, sys
importlib.import_module(sys.argv[1]).app.run(host="127.0.0.1", port=int(sys.argv[2]), worker_num=1)
"""

ENTRANT = Entrant(
    name="japronto",
    about="C, uvloop, picohttpparser",
    command=("{python}", "-c", CODE, "{app}", "{port}"),
    interface="japronto",
    requirements="japronto.txt",
    pythons=("3.7", "3.6"),
    wants="its wheels are for CPython up to 3.7",
)
