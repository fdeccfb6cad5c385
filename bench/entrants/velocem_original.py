"""The original Velocem, in C++; its package is a wheel for CPython 3.12 and glibc 2.40."""

from entrants import Entrant

CODE = """
import importlib, sys, velocem
velocem.wsgi(importlib.import_module(sys.argv[1]).app, "127.0.0.1", sys.argv[2])
"""

ENTRANT = Entrant(
    name="velocem-0.0.9",
    about="C++, asio, llhttp",
    command=("{python}", "-c", CODE, "{app}", "{port}"),
    requirements="velocem-original.txt",
    wants="its wheel is for glibc 2.40 and the C++ library of GCC 14",
    pythons=("3.12",),
)
