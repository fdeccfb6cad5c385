"""Tornado's own handlers on asyncio's loop, as it comes; uvloop made no difference that could be measured."""

from entrants import Entrant

CODE = """
import asyncio, importlib, sys
async def main():
    app = importlib.import_module(sys.argv[1]).app
    app.listen(int(sys.argv[2]), "127.0.0.1", backlog=2048, max_buffer_size=1 << 30, idle_connection_timeout=60)
    await asyncio.Event().wait()
asyncio.run(main())
"""

ENTRANT = Entrant(
    name="tornado",
    about="Python, asyncio",
    command=("{python}", "-c", CODE, "{app}", "{port}"),
    interface="tornado",
    requirements="tornado.txt",
)
