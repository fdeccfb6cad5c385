"""Charts: scales, ticks, labels that do not touch, and an SVG that is one."""

import itertools
import re
from xml.etree import ElementTree as ET

import pytest
from charts import WIDTH, Bar, Curve, Panel, Scale, bar_scale, bars, curves, short, spaced


def test_a_linear_scale_begins_at_zero() -> None:
    scale = bar_scale([Bar("a", 10, 9, 11, ""), Bar("b", 40, 40, 40, "")], 100, 500)
    assert not scale.log
    assert scale.at(0) == 100
    assert scale.at(scale.high) == 500
    assert scale.at(20) - 100 == pytest.approx((scale.at(40) - 100) / 2)


def test_what_is_far_apart_takes_a_logarithmic_scale() -> None:
    scale = bar_scale([Bar("a", 1, 1, 1, ""), Bar("b", 1000, 1000, 1000, "")], 0, 300)
    assert scale.log
    assert scale.at(1) > 0  # the smallest can be seen
    assert scale.at(100) - scale.at(10) == pytest.approx(scale.at(1000) - scale.at(100))


def test_a_value_outside_stays_on_the_chart() -> None:
    scale = Scale(1, 100, True, 0, 200)
    assert scale.at(0.01) == 0
    assert scale.at(1e6) == 200


@pytest.mark.parametrize("high", [0.0007, 0.3, 1, 7, 46.4, 99, 1234, 5e6])
def test_ticks_are_few_round_and_inside(high: float) -> None:
    ticks = Scale(0, high, False, 0, 100).ticks()
    assert 2 <= len(ticks) <= 7
    assert ticks[0] == 0
    assert ticks[-1] <= high * 1.0001
    step = ticks[1]
    assert float(f"{step:.0e}") == pytest.approx(step)
    assert f"{step:.0e}"[0] in "125"


@pytest.mark.parametrize(("low", "high"), [(8, 300), (10, 1187), (0.02, 41000), (1, 1e8)])
def test_ticks_of_a_logarithmic_scale(low: float, high: float) -> None:
    ticks = Scale(low, high, True, 0, 100).ticks()
    assert 2 <= len(ticks) <= 9
    assert ticks == sorted(ticks)
    assert all(low * 0.999 <= tick <= high * 1.001 for tick in ticks)


def test_labels_do_not_touch_and_keep_their_order() -> None:
    wanted = [100.0, 101.0, 99.0, 102.0, 200.0]
    places = spaced(wanted, 16, 0, 300)
    assert sorted(range(5), key=lambda i: places[i]) == sorted(range(5), key=lambda i: wanted[i])
    assert all(b - a > 15 for a, b in itertools.pairwise(sorted(places)))
    assert abs(places[4] - 200) < 1


def test_labels_at_the_edge_stay_inside() -> None:
    places = spaced([298.0, 299.0, 300.0], 16, 0, 300)
    assert all(0 <= place <= 300 for place in places)
    assert all(b - a > 13 for a, b in itertools.pairwise(sorted(places)))


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (0.5, "0.5"), (20, "20"), (1500, "1.5k"), (1e6, "1M")])
def test_short_numbers(value: float, text: str) -> None:
    assert short(value) == text


SOME = (
    Bar("velocem", 8, 7.9, 8.1, "8", "1.00x", "ours", 0.2),
    Bar("a <peer> & co", 20, 18, 23, "20", "2.50x", "peer", 0.5),
    Bar("limit", 6, 6, 6, "6", "0.75x", "floor"),
)


def boxes(svg: str) -> list[tuple[float, float, str]]:
    found = [
        rect for rect in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}rect") if rect.get("class") != "card"
    ]
    return [(float(rect.get("x", 0)), float(rect.get("width", 0)), rect.get("class", "")) for rect in found]


def test_bars_are_as_long_as_their_values() -> None:
    svg = bars("A title", "About it.", [Panel("", SOME)])
    assert "a &lt;peer&gt; &amp; co" in svg
    found = boxes(svg)
    lengths = [sum(width for _, width, look in found if look.split()[0] == name) for name in ("ours", "peer", "floor")]
    assert lengths[1] / lengths[0] == pytest.approx(20 / 8, rel=0.01)
    assert lengths[2] / lengths[0] == pytest.approx(6 / 8, rel=0.01)
    dark = next(width for _, width, look in found if look == "ours")
    assert dark / lengths[0] == pytest.approx(0.2, rel=0.02)


def test_nothing_leaves_the_card() -> None:
    svg = bars("A title", "About it. " * 40, [Panel("one", SOME), Panel("two", SOME[:2])])
    root = ET.fromstring(svg)
    height = float(root.get("height", 0))
    for element in root.iter("{http://www.w3.org/2000/svg}text"):
        x, y = float(element.get("x", 0)), float(element.get("y", 0))
        size = (6.4 if element.get("class") == "small" else 7.5) * len(element.text or "")
        start = {"end": x - size, "middle": x - size / 2}.get(element.get("text-anchor", ""), x)
        assert start >= 0
        assert start + size <= WIDTH + 8
        assert 0 < y < height


def test_a_chart_without_values_is_still_one() -> None:
    assert boxes(bars("A title", "", [Panel("", (Bar("a", 0, 0, 0, "0"),))])) == []


def test_curves_name_every_line_once() -> None:
    drawn = [
        Curve("velocem", ((1, 90, 80, 95), (10, 18, 17, 19), (100, 14, 14, 14)), "ours"),
        Curve("granian", ((1, 160, 150, 170), (10, 60, 55, 61))),
    ]
    svg = curves("A title", "About it.", ("connections", "us"), drawn)
    root = ET.fromstring(svg)
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count("velocem") == texts.count("granian") == 1
    assert len(list(root.iter("{http://www.w3.org/2000/svg}circle"))) == 5
    first = re.search(r'points="([^"]+)" class="line c0"', svg)
    assert first is not None
    heights = [float(point.split(",")[1]) for point in first[1].split()]
    assert heights == sorted(heights)  # the cost falls, so the line goes down
