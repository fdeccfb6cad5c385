"""The logger of the server, and its plain output when the program has not set up its own."""

import logging

logger = logging.getLogger("velocem")

LEVELS = {
    "critical": logging.CRITICAL,
    "error": logging.ERROR,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}


class Formatter(logging.Formatter):
    """``INFO:     message``: the level in a column, as users of other servers read it."""

    def __init__(self) -> None:
        super().__init__("%(levelcolumn)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        record.levelcolumn = f"{record.levelname}:".ljust(9)
        return super().format(record)


def configure(level: str) -> None:
    """Set the level; write to standard error unless the program has handlers of its own."""
    logger.setLevel(LEVELS[level])
    if logger.hasHandlers():
        return
    handler = logging.StreamHandler()
    handler.setFormatter(Formatter())
    logger.addHandler(handler)
    logger.propagate = False


def report(level: int, message: str, error: BaseException | None) -> None:
    """Log what the C core has to say."""
    # Ctrl-C in the middle of a call of the application: not an error of its own.
    if isinstance(error, KeyboardInterrupt):
        return
    logger.log(level, message, exc_info=error)
