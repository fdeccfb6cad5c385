"""Cheroot, CherryPy's server: one thread, and more than its ten kept-alive connections."""

from entrants import Entrant

CODE = """
import importlib, sys, cheroot.wsgi
server = cheroot.wsgi.Server(
    ("127.0.0.1", int(sys.argv[2])),
    importlib.import_module(sys.argv[1]).app,
    numthreads=int(sys.argv[3]),
    request_queue_size=2048,
    timeout=60,
)
server.keep_alive_conn_limit = None
server.start()
"""

ENTRANT = Entrant(
    name="cheroot",
    about="Python, threads",
    command=("{python}", "-c", CODE, "{app}", "{port}", "{threads}"),
    requirements="cheroot.txt",
    threads=1,
    env={"BENCH_LENGTH": "1"},
)
