"""What is told while a run goes on: a live line on a terminal, plain lines elsewhere."""

import sys
import time
from dataclasses import dataclass, field
from typing import TextIO


def as_time(seconds: float) -> str:
    minutes, seconds = divmod(max(0, round(seconds)), 60)
    return f"{minutes}:{seconds:02d}"


def about(seconds: float) -> str:
    return f"about {seconds / 60:.0f} minutes" if seconds > 100 else f"about {seconds:.0f} seconds"


@dataclass
class Progress:
    """Standard error: the results go to standard output."""

    total: float = 0.0  # seconds that the run is expected to take
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    began: float = field(default_factory=time.monotonic)
    done: float = 0.0  # seconds of the expected that are behind

    @property
    def is_live(self) -> bool:
        return self.stream.isatty()

    def begin(self, total: float) -> None:
        self.total, self.done, self.began = total, 0.0, time.monotonic()

    def left(self) -> str:
        """By how the run has kept to what was expected of it, once there is enough of it to tell."""
        if self.total == 0:
            return ""
        elapsed = time.monotonic() - self.began
        if self.done < 30:
            return f", {as_time(self.total - elapsed)} left"
        return f", {as_time((self.total - self.done) * elapsed / self.done)} left"

    def say(self, text: str) -> None:
        """A line that stays."""
        print(f"\r\x1b[K{text}" if self.is_live else text, file=self.stream, flush=True)

    def now(self, where: str, what: str) -> None:
        """What is being done: shown while it lasts, and only on a terminal."""
        if self.is_live:
            print(f"\r\x1b[K{where}: {what}{self.left()}", end="", file=self.stream, flush=True)

    def step(self, where: str, what: str, seconds: float = 0.0) -> None:
        """Something is done, which was expected to take so long; a plain line where there is no terminal."""
        self.done += seconds
        if self.is_live:
            self.now(where, what)
        else:
            self.say(f"{where}: {what}{self.left()}")

    def clear(self) -> None:
        if self.is_live:
            print("\r\x1b[K", end="", file=self.stream, flush=True)
