"""What is made of samples: medians, ratios inside a round, percentiles, who is compared with whom."""

import figures
import pytest


def samples(key: str, values: dict[int, float]) -> list[dict[str, float]]:
    return [{"round": number, key: value} for number, value in values.items()]


def test_a_middle_is_the_median_and_the_middle_half() -> None:
    assert figures.middle([5, 1, 3, 2, 4]) == figures.Middle(3, 2, 4)
    assert figures.middle([7]) == figures.Middle(7, 7, 7)
    assert figures.middle([]) is None


def test_a_ratio_is_taken_inside_the_round() -> None:
    """Though the machine was half as fast in the second round, the ratio is the same."""
    base = samples("us", {1: 10, 2: 20, 3: 10})
    assert figures.ratios(samples("us", {1: 15, 2: 30, 3: 15}), base, "us") == [1.5, 1.5, 1.5]


def test_a_round_that_only_one_has_is_not_compared() -> None:
    assert figures.ratios(samples("us", {1: 15, 3: 45}), samples("us", {2: 20, 3: 15}), "us") == [3]
    assert figures.ratios(samples("us", {1: 15}), samples("us", {1: 0}), "us") == []


def test_the_user_share_is_that_of_all_ticks_together() -> None:
    ticks = [{"user_ticks": 1.0, "all_ticks": 4.0}, {"user_ticks": 2.0, "all_ticks": 2.0}]
    assert figures.user_share(ticks) == 0.5
    assert figures.user_share([{"user_ticks": 0.0, "all_ticks": 0.0}]) is None


def test_percentiles_of_a_histogram() -> None:
    counts = figures.merge([[(1000, 500), (2000, 490)], [(3000, 9), (9000, 1)]])
    assert figures.percentiles(counts) == {"p50": 1.0, "p99": 2.0, "p99.9": 3.0, "max": 9.0}


def test_percentiles_of_one_value_are_that_value() -> None:
    assert figures.percentiles({5000: 1}) == {"p50": 5.0, "p99": 5.0, "p99.9": 5.0, "max": 5.0}
    assert figures.percentiles({}) == {}


@pytest.mark.parametrize(
    ("name", "base"),
    [("granian", "velocem"), ("uvicorn", "velocem-asgi"), ("robyn", "velocem"), ("velocem-asgi", "velocem-asgi")],
)
def test_the_1x_is_velocem_by_the_same_interface(name: str, base: str) -> None:
    known = {
        "velocem": {"ours": True, "interface": "wsgi"},
        "velocem-asgi": {"ours": True, "interface": "asgi"},
        "granian": {"ours": False, "interface": "wsgi"},
        "uvicorn": {"ours": False, "interface": "asgi"},
        "robyn": {"ours": False, "interface": "robyn"},
    }
    assert figures.base_of(name, known, known) == base
    assert figures.base_of(name, known, [name]) == (name if known[name]["ours"] else None)
