"""velocem.metrics: counters, gauges and histograms of an application."""

import itertools

import pytest

from velocem import metrics

names = (f"test_{number}" for number in itertools.count())


@pytest.fixture
def name() -> str:
    return next(names)


def test_a_counter_rises(name: str) -> None:
    counter = metrics.counter(name, "What it counts.")
    counter.inc()
    counter.inc(2.5)
    assert counter.value == 3.5
    with pytest.raises(ValueError, match="only rises"):
        counter.inc(-1)
    with pytest.raises(ValueError, match="only rises"):
        counter.inc(float("nan"))


def test_the_same_name_is_the_same_number(name: str) -> None:
    metrics.counter(name).inc()
    assert metrics.counter(name).value == 1
    with pytest.raises(ValueError, match="another of this name"):
        metrics.gauge(name)


def test_labels_make_numbers_of_their_own(name: str) -> None:
    counter = metrics.counter(name, labels=["kind", "size"])
    counter.labels("a", 1).inc()
    counter.labels(size=1, kind="a").inc()
    counter.labels("b", 1).inc()
    assert counter.labels("a", 1).value == 2
    assert counter.labels("a", 1) is counter.labels("a", 1)
    wrong: list[tuple[tuple[str, ...], dict[str, str]]] = [(("a",), {}), ((), {"kind": "a", "other": "b"}), ((), {})]
    for values, named in wrong:
        with pytest.raises(ValueError, match="has the labels kind, size"):
            counter.labels(*values, **named)
    with pytest.raises(ValueError, match="has labels"):
        counter.inc()
    with pytest.raises(ValueError, match="none"):
        metrics.counter(next(names)).labels("a")


def test_a_gauge_rises_and_falls(name: str) -> None:
    gauge = metrics.gauge(name)
    gauge.set(5)
    gauge.inc()
    gauge.dec(2)
    assert gauge.value == 4
    with gauge.track():
        assert gauge.value == 5
    assert gauge.value == 4


def test_a_histogram_adds_up(name: str) -> None:
    histogram = metrics.histogram(name, bounds=[1, 2])
    histogram.observe(1)
    histogram.observe(10)
    assert histogram.value == 11
    with histogram.time():
        pass
    assert histogram.value > 11


@pytest.mark.parametrize("bounds", [[], [2, 1], [1, 1], [float("inf")], [float("nan")]])
def test_bounds_that_do_not_rise_are_refused(name: str, bounds: list[float]) -> None:
    with pytest.raises(ValueError, match="finite numbers that rise"):
        metrics.histogram(name, bounds=bounds)


@pytest.mark.parametrize("wrong", ["", "1a", "a-b", "a b", "ä", "velocem_x", "__x"])
def test_names_that_prometheus_or_we_do_not_allow_are_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="is not a name"):
        metrics.counter(wrong)


@pytest.mark.parametrize("wrong", ["le", "__a", "a-b", ""])
def test_labels_that_prometheus_does_not_allow_are_refused(name: str, wrong: str) -> None:
    with pytest.raises(ValueError, match="name of a label"):
        metrics.counter(name, labels=[wrong])


def test_a_series_too_long_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no room"):
        metrics.counter(name, labels=["a"]).labels("x" * 300)
