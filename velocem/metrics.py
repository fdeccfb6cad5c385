"""Numbers of an application's own, shown beside the server's at the admin address and shared by all its processes."""

import re
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Self

from velocem._core import Board, Metric

COUNTER, GAUGE, HISTOGRAM = range(3)

# Seconds: what most requests and queries take, and those that took too long.
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

# As Prometheus has them. Colons are for its own rules.
NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
RESERVED = ("velocem_", "__")

_boards: list[Board] = []


def board() -> Board:
    """The memory of this server: made by the first who asks, and shared by the processes that it forks after that."""
    if not _boards:
        _boards.append(Board())
    return _boards[0]


def check_name(name: str) -> str:
    if not NAME.fullmatch(name) or name.startswith(RESERVED):
        raise ValueError(f"{name!r} is not a name of letters, digits and _ that does not begin with velocem_")
    return name


def escape(value: str, *, quotes: bool) -> str:
    value = value.replace("\\", r"\\").replace("\n", r"\n")
    return value.replace('"', r"\"") if quotes else value


class Family:
    """One name: a number, or one for each set of values of its labels."""

    KIND = COUNTER

    def __init__(self, name: str, help: str = "", labels: Sequence[str] = ()) -> None:  # noqa: A002
        self.name = check_name(name)
        self.help = help
        self.label_names = tuple(labels)
        for label in self.label_names:
            if not NAME.fullmatch(label) or label.startswith("__") or label == "le":
                raise ValueError(f"{label!r} cannot be the name of a label")
        self._children: dict[tuple[str, ...], Self] = {}
        self._metric: Metric | None = None if labels else self._make("")

    def labels(self, *values: object, **named: object) -> Self:
        """The number for these values, in the order of the labels or by their names."""
        key = tuple(map(str, values or (named[name] for name in self.label_names if name in named)))
        child = self._children.get(key)
        if child is None:
            if len(key) != len(self.label_names) or len(values) + len(named) != len(key) or not key:
                raise ValueError(f"{self.name} has the labels {', '.join(self.label_names) or '(none)'}")
            child = self._children[key] = self._child(key)
        return child

    @property
    def value(self) -> float:
        """Of all processes."""
        return self._own().value

    def _child(self, values: tuple[str, ...]) -> Self:
        child = object.__new__(type(self))
        child.__dict__ |= self.__dict__ | {"label_names": (), "_children": {}}
        pairs = (f'{name}="{escape(value, quotes=True)}"' for name, value in zip(self.label_names, values, strict=True))
        child._metric = self._make("{" + ",".join(pairs) + "}")
        return child

    def _make(self, labels: str) -> Metric:
        text = self.name + labels
        return board().metric(
            self.KIND, text, len(self.name), escape(self.help or self.name, quotes=False), self._bounds()
        )

    def _bounds(self) -> Sequence[float]:
        return ()

    def _own(self) -> Metric:
        if self._metric is None:
            raise ValueError(f"{self.name} has labels: {self.name}.labels(...) is the number")
        return self._metric


class Counter(Family):
    """It only rises: requests, orders, errors. By convention its name ends in _total."""

    def inc(self, amount: float = 1.0) -> None:
        """Add, at least 0."""
        (self._metric or self._own()).inc(amount)


class Gauge(Family):
    """It rises and falls: jobs in a queue. One value for the server, whichever process sets it.

    What a process has added and not taken away again stays when it dies.
    """

    KIND = GAUGE

    def inc(self, amount: float = 1.0) -> None:
        """Add."""
        (self._metric or self._own()).inc(amount)

    def dec(self, amount: float = 1.0) -> None:
        """Take away."""
        (self._metric or self._own()).dec(amount)

    def set(self, value: float) -> None:
        """The value from now on."""
        (self._metric or self._own()).set(value)

    @contextmanager
    def track(self) -> Generator[None, None, None]:
        """One more while the with block runs."""
        self.inc()
        try:
            yield
        finally:
            self.dec()


class Histogram(Family):
    """How many values were at most so large: durations in seconds, sizes in bytes."""

    KIND = HISTOGRAM

    def __init__(
        self,
        name: str,
        help: str = "",  # noqa: A002
        labels: Sequence[str] = (),
        bounds: Sequence[float] = BOUNDS,
    ) -> None:
        self.bounds = tuple(float(bound) for bound in bounds)
        if list(self.bounds) != sorted(set(self.bounds)) or not self.bounds or not -1e308 < sum(self.bounds) < 1e308:
            raise ValueError("bounds must be finite numbers that rise")
        super().__init__(name, help, labels)

    def observe(self, value: float) -> None:
        """One more value."""
        (self._metric or self._own()).observe(value)

    @contextmanager
    def time(self) -> Generator[None, None, None]:
        """Observe the seconds that the with block takes, also when it fails."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.observe(time.perf_counter() - began)

    def _bounds(self) -> Sequence[float]:
        return self.bounds


def counter(name: str, help: str = "", labels: Sequence[str] = ()) -> Counter:  # noqa: A002
    """Make a number that only rises, by convention with a name that ends in _total."""
    return Counter(name, help, labels)


def gauge(name: str, help: str = "", labels: Sequence[str] = ()) -> Gauge:  # noqa: A002
    """Make a number that rises and falls."""
    return Gauge(name, help, labels)


def histogram(name: str, help: str = "", labels: Sequence[str] = (), bounds: Sequence[float] = BOUNDS) -> Histogram:  # noqa: A002
    """Make a count of values by size: how many were at most each of the bounds."""
    return Histogram(name, help, labels, bounds)
