"""What becomes of the samples: medians, ratios inside each round, spreads, percentiles. No I/O."""

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Sample = Mapping[str, float]
PERCENTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}


@dataclass(frozen=True)
class Middle:
    """A median and the middle half of what it is the median of."""

    median: float
    low: float
    high: float


def middle(values: Sequence[float]) -> Middle | None:
    if not values:
        return None
    if len(values) == 1:
        return Middle(values[0], values[0], values[0])
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Middle(median, low, high)


def ratios(taken: Sequence[Sample], base: Sequence[Sample], key: str) -> list[float]:
    """Inside each round: what swings from one round to the next falls out."""
    of_base = {sample["round"]: sample[key] for sample in base}
    return [sample[key] / of_base[sample["round"]] for sample in taken if of_base.get(sample["round"], 0) > 0]


def user_share(taken: Iterable[Sample]) -> float | None:
    """Of all rounds together: the kernel's tick sees only a few hundred moments a second. None: it saw nothing."""
    samples = list(taken)
    ticks = sum(sample["all_ticks"] for sample in samples)
    return sum(sample["user_ticks"] for sample in samples) / ticks if ticks > 0 else None


def merge(histograms: Iterable[Iterable[Sequence[int]]]) -> Counter[int]:
    total: Counter[int] = Counter()
    for histogram in histograms:
        for value, count in histogram:
            total[value] += count
    return total


def percentiles(counts: Mapping[int, int]) -> dict[str, float]:
    """In microseconds, from a histogram of nanoseconds; with the largest."""
    total, seen = sum(counts.values()), 0
    if total == 0:
        return {}
    wanted = list(PERCENTILES.items())
    found: dict[str, float] = {}
    for value in sorted(counts):
        seen += counts[value]
        while wanted and seen >= wanted[0][1] * total:
            found[wanted.pop(0)[0]] = value / 1e3
    return found | {"max": max(counts) / 1e3}


def base_of(name: str, entrants: Mapping[str, Mapping[str, Any]], present: Iterable[str]) -> str | None:
    """Velocem by the same interface, or the nearest to it that is there: the 1x of this entrant."""
    ours = [other for other in present if entrants[other].get("ours")]
    same = [other for other in ours if entrants[other]["interface"] == entrants[name]["interface"]]
    return next(iter(same or ours), None)
