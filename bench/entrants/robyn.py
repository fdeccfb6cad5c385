"""Robyn: Rust on actix. No constant routes, which it answers without asking Python."""

from entrants import Entrant

CODE = """
import importlib, os, sys
app, port = sys.argv[1:3]
importlib.import_module(app).app.start("127.0.0.1", int(port), keep_alive_timeout=60)
"""

ENTRANT = Entrant(
    name="robyn",
    about="Rust, tokio, actix",
    command=(
        *("{python}", "-c", CODE, "{app}", "{port}", "--processes", "1", "--workers", "1"),
        *("--log-level", "ERROR", "--disable-openapi"),
    ),
    interface="robyn",
    requirements="robyn.txt",
)
