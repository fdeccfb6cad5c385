"""Velocem, a web server for Python applications whose core is C: the public names, and nothing else."""

__version__ = "0.1.0"

from typing import TYPE_CHECKING

from velocem.server import Server, run

if TYPE_CHECKING:
    from velocem.loop import EventLoop, EventLoopPolicy, install, new_event_loop

__all__ = ["EventLoop", "EventLoopPolicy", "Server", "__version__", "install", "new_event_loop", "run"]


def __getattr__(name: str) -> object:
    """The event loop's names: a WSGI server is up sooner without asyncio."""
    if name not in __all__:
        raise AttributeError(f"module 'velocem' has no attribute {name!r}")
    import velocem.loop  # noqa: PLC0415

    return getattr(velocem.loop, name)
