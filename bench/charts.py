"""Draws charts as SVG: bars with their spread and curves of growth, on a card that is readable on light and on dark."""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Literal

WIDTH = 760
PAD = 20
ROW, BAR = 23, 14
CHARACTER, BOLD = 7.1, 8.2  # pixels of one at 13 pixels, on average; a little more than most fonts need
LOG_FROM = 30.0  # times the smallest: beyond that, small bars could not be told apart
PLOT_HEIGHT = 300

STYLE = """
text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;fill:#1f2328}
.card{fill:#fff;stroke:#d0d7de}.title{font-size:16px;font-weight:600}.small{font-size:12px;fill:#59636e}
.bold{font-weight:600}.grid{stroke:#e3e8ee}.axis{stroke:#8c959f}.whisker{stroke:#1f2328}
.ours{fill:#0969da}.floor{fill:#1a7f37}.peer{fill:#7d8590}.light{opacity:.5}
.c0{--c:#0969da}.c1{--c:#1a7f37}.c2{--c:#cf222e}.c3{--c:#8250df}.c4{--c:#bc4c00}.c5{--c:#0f766e}.c6{--c:#9a6700}.c7{--c:#bf3989}
.line{fill:none;stroke:var(--c);stroke-width:2}.line.c0{stroke-width:3.5}.dashed{stroke-dasharray:9 4}
.dot{fill:var(--c)}.range{stroke:var(--c)}
text.c0,text.c1,text.c2,text.c3,text.c4,text.c5,text.c6,text.c7{fill:var(--c)}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.card{fill:#0d1117;stroke:#3d444d}.small{fill:#9198a1}
.grid{stroke:#262c36}.axis{stroke:#656c76}.whisker{stroke:#e6edf3}.ours{fill:#4493f8}.floor{fill:#3fb950}.peer{fill:#9198a1}
.c0{--c:#4493f8}.c1{--c:#3fb950}.c2{--c:#f85149}.c3{--c:#ab7df8}.c4{--c:#f0883e}.c5{--c:#39c5bb}.c6{--c:#d29922}.c7{--c:#f778ba}}
"""
COLOURS = 8
Looks = Literal["ours", "floor", "peer"]


@dataclass(frozen=True)
class Bar:
    """One entrant; low and high are the middle half of its rounds."""

    name: str
    value: float
    low: float
    high: float
    label: str
    factor: str = ""  # of Velocem's, in a column at the right
    looks: Looks = "peer"
    dark: float | None = None  # the part of it that is drawn darker, between 0 and 1


@dataclass(frozen=True)
class Curve:
    """How one entrant's cost grows: x, y, and the middle half of the rounds of y."""

    name: str
    points: tuple[tuple[float, float, float, float], ...]
    looks: Looks = "peer"


@dataclass(frozen=True)
class Panel:
    """One set of bars under a heading."""

    heading: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Scale:
    """From values to pixels."""

    low: float
    high: float
    log: bool
    start: float
    end: float

    def at(self, value: float) -> float:
        value = min(max(value, self.low), self.high)
        if self.log:
            part = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        return self.start + part * (self.end - self.start)

    def ticks(self) -> list[float]:
        if not self.log:
            step = nice_step(self.high - self.low, 6)
            first = math.ceil(self.low / step - 1e-9)
            return [number * step for number in range(first, math.floor(self.high / step + 1e-9) + 1)]
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        every = max(1, math.ceil((last - first) / 7))
        times = (1, 2, 5) if self.high < 250 * self.low else (1,)
        found = [time * 10.0**power for power in range(first, last + 1, every) for time in times]
        return [value for value in found if self.low * (1 - 1e-9) <= value <= self.high * (1 + 1e-9)]


def nice_step(span: float, most: int) -> float:
    """1, 2 or 5 times a power of ten, so that a span has no more than so many of them."""
    power = 10.0 ** math.floor(math.log10(span / most))
    return next(step * power for step in (1.0, 2.0, 5.0, 10.0) if step * power * most >= span * (1 - 1e-9))


def bar_scale(bars: Iterable[Bar], start: float, end: float) -> Scale:
    """From zero, or in powers when the largest would leave the smallest no room."""
    values = [value for bar in bars for value in (bar.value, bar.low, bar.high) if value > 0]
    if not values:
        return Scale(0, 1, False, start, end)
    least, most = min(values), max(values)
    if most > LOG_FROM * least:
        return Scale(below(least), most * 1.1, True, start, end)
    return Scale(0, most * 1.02, False, start, end)


def below(value: float) -> float:
    """1, 2 or 5 times a power of ten, well under a value, so that its bar can be seen."""
    power = 10.0 ** math.floor(math.log10(value))
    return max(step * power for step in (0.2, 0.5, 1.0, 2.0, 5.0) if step * power <= value / 1.5)


def curve_scale(values: Sequence[float], start: float, end: float) -> Scale:
    least, most = min(values), max(values)
    return (
        Scale(least / 1.15, most * 1.15, True, start, end)
        if most > least
        else Scale(least / 2, least * 2, True, start, end)
    )


def short(value: float) -> str:
    """A tick's label: 20, 0.5, 10k, 5M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:.3g}"


@dataclass
class Drawing:
    """Elements in the order in which they are painted."""

    parts: list[str] = field(default_factory=list)

    def text(self, x: float, y: float, words: str, look: str = "", anchor: str = "start") -> None:
        place = f' text-anchor="{anchor}"' if anchor != "start" else ""
        style = f' class="{look}"' if look else ""
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}"{place}{style}>{escape(words)}</text>')

    def line(self, x1: float, y1: float, x2: float, y2: float, look: str) -> None:
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{look}"/>')

    def box(self, x: float, y: float, width: float, height: float, look: str) -> None:
        if width > 0:
            size = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
            self.parts.append(f'<rect {size} class="{look}"/>')

    def svg(self, height: float, title: str) -> str:
        size = f'width="{WIDTH}" height="{height:.0f}" viewBox="0 0 {WIDTH} {height:.0f}"'
        card = f'<rect x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1:.0f}" rx="8" class="card"/>'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img"><title>{escape(title)}</title>'
        return "\n".join([f"{head}<style>{STYLE}</style>", card, *self.parts, "</svg>", ""])


def widest(texts: Iterable[tuple[str, Looks]]) -> float:
    return max((len(text) * (BOLD if looks == "ours" else CHARACTER) for text, looks in texts), default=0.0)


def wrapped(words: str, width: float) -> list[str]:
    """Lines of small text that fit."""
    lines = [""]
    for word in words.split():
        if lines[-1] and (len(lines[-1]) + len(word) + 1) * CHARACTER * 0.9 > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def heading(drawing: Drawing, title: str, about: str) -> float:
    """Where the rest begins."""
    drawing.text(PAD, PAD + 14, title[:1].upper() + title[1:], "title")
    y = PAD + 33.0
    for line in wrapped(about, WIDTH - 2 * PAD):
        drawing.text(PAD, y, line, "small")
        y += 16
    return y


def draw_bar(drawing: Drawing, bar: Bar, scale: Scale, y: float) -> None:
    drawing.text(scale.start - 8, y + 12, bar.name, "bold" if bar.looks == "ours" else "", "end")
    end = scale.at(bar.value)
    middle = y + BAR / 2 + 1
    dark = scale.at(bar.value * bar.dark) if bar.dark is not None and not scale.log else end
    drawing.box(scale.start, y + 1, dark - scale.start, BAR, bar.looks)
    drawing.box(dark, y + 1, end - dark, BAR, f"{bar.looks} light")
    low, high = scale.at(bar.low), scale.at(bar.high)
    if high - low >= 1:
        drawing.line(low, middle, high, middle, "whisker")
        for x in (low, high):
            drawing.line(x, middle - 3, x, middle + 3, "whisker")
    look = "bold" if bar.looks == "ours" else ""
    drawing.text(max(end, high) + 6, y + 12, bar.label, look)
    drawing.text(WIDTH - PAD, y + 12, bar.factor, look, "end")


def draw_panel(drawing: Drawing, panel: Panel, left: float, right: float, y: float) -> float:
    """Where the next begins."""
    if any(bar.factor for bar in panel.bars):
        drawing.text(WIDTH - PAD, y + 10, "of Velocem", "small", "end")
    if panel.heading:
        drawing.text(PAD, y + 10, panel.heading, "bold")
    y += ROW - 3
    scale = bar_scale(panel.bars, left, right)
    bottom = y + ROW * len(panel.bars)
    for tick in scale.ticks():
        drawing.line(scale.at(tick), y - 2, scale.at(tick), bottom, "grid")
        drawing.text(scale.at(tick), bottom + 14, short(tick), "small", "middle")
    for number, bar in enumerate(panel.bars):
        draw_bar(drawing, bar, scale, y + ROW * number + 3)
    drawing.line(left, y - 2, left, bottom, "axis")
    return bottom + 26


def bars(title: str, about: str, panels: Sequence[Panel]) -> str:
    """Horizontal bars, a scale for each panel."""
    every = [bar for panel in panels for bar in panel.bars]
    logarithmic = [bar_scale(panel.bars, 0, 1).log for panel in panels]
    if any(logarithmic):
        about += (
            " The scale is logarithmic." if all(logarithmic) else " Where a scale begins above 0, it is logarithmic."
        )
    if not all(logarithmic) and any(bar.dark is not None for bar in every):
        about += " User time is dark, system time light."
    drawing = Drawing()
    left = PAD + 10 + widest((bar.name, bar.looks) for bar in every)
    column = CHARACTER * len("of Velocem") if any(bar.factor for bar in every) else 0
    right = WIDTH - PAD - 14 - column - widest((bar.label, bar.looks) for bar in every)
    y = heading(drawing, title, about)
    for panel in panels:
        y = draw_panel(drawing, panel, left, right, y)
    return drawing.svg(y, title)


def spaced(wanted: Sequence[float], apart: float, low: float, high: float) -> list[float]:
    """Places for labels as near to where they are wanted as they can be without touching."""
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    places = [wanted[index] for index in order]
    for _ in range(200):
        for first, second in zip(range(len(places)), range(1, len(places)), strict=False):
            overlap = apart - (places[second] - places[first])
            if overlap > 0:
                places[first] -= overlap / 2
                places[second] += overlap / 2
        places = [min(max(place, low), high) for place in places]
    found = [0.0] * len(wanted)
    for place, index in zip(places, order, strict=True):
        found[index] = place
    return found


def draw_curve(drawing: Drawing, curve: Curve, x: Scale, y: Scale, look: str) -> None:
    path = " ".join(f"{x.at(point[0]):.1f},{y.at(point[1]):.1f}" for point in curve.points)
    drawing.parts.append(f'<polyline points="{path}" class="line {look}"/>')
    for at, value, low, high in curve.points:
        drawing.line(x.at(at), y.at(low), x.at(at), y.at(high), f"range {look}")
        drawing.parts.append(f'<circle cx="{x.at(at):.1f}" cy="{y.at(value):.1f}" r="3.2" class="dot {look}"/>')


def colours(drawn: Sequence[Curve]) -> list[str]:
    """The first two are Velocem's and the floor's, in every chart; a second interface of Velocem's is dashed."""
    ours = itertools.chain(["c0"], itertools.repeat("c0 dashed"))
    peers = itertools.cycle(f"c{number}" for number in range(2, COLOURS))
    of = {"ours": ours, "floor": itertools.repeat("c1"), "peer": peers}
    return [next(of[curve.looks]) for curve in drawn]


def curves(
    title: str, about: str, labels: tuple[str, str], drawn: Sequence[Curve], name_of: Callable[[float], str] = short
) -> str:
    """Both scales in powers; each curve has its name at its end. labels: of x and y; name_of: of a place on x."""
    drawing = Drawing()
    top = heading(drawing, title, about) + 22
    bottom = top + PLOT_HEIGHT
    left, right = PAD + 44.0, WIDTH - PAD - 16 - widest((curve.name, curve.looks) for curve in drawn)
    places = [point[0] for curve in drawn for point in curve.points]
    x = curve_scale(places, left, right)
    y = curve_scale([value for curve in drawn for point in curve.points for value in point[1:]], bottom, top)
    for tick in y.ticks():
        drawing.line(left, y.at(tick), right, y.at(tick), "grid")
        drawing.text(left - 7, y.at(tick) + 4, short(tick), "small", "end")
    for place in sorted(set(places)):
        drawing.line(x.at(place), bottom, x.at(place), bottom + 4, "axis")
        drawing.text(x.at(place), bottom + 18, name_of(place), "small", "middle")
    drawing.line(left, bottom, right, bottom, "axis")
    drawing.line(left, top, left, bottom, "axis")
    drawing.text(PAD, top - 10, labels[1], "small")
    drawing.text(right, bottom + 36, labels[0], "small", "end")
    ends = spaced([y.at(curve.points[-1][1]) + 4 for curve in drawn], 16, top, bottom)
    looks = colours(drawn)
    for number, (curve, end) in reversed(list(enumerate(zip(drawn, ends, strict=True)))):
        look = looks[number]
        draw_curve(drawing, curve, x, y, look)
        last = curve.points[-1]
        if last[0] < max(places):  # it could not follow to the end
            drawing.line(x.at(last[0]), y.at(last[1]), right + 6, end - 4, f"range light {look}")
        drawing.text(right + 10, end, curve.name, f"{look} bold" if curve.looks == "ours" else look)
    return drawing.svg(bottom + 50, title)
