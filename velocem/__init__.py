"""Velocem, a web server for Python applications whose core is C: the public names, and nothing else."""

__version__ = "0.1.0"

from velocem.server import Server, run

__all__ = ["Server", "__version__", "run"]
