"""``velocem top``: what a server does, second by second, in a terminal; asked of its admin address."""

import argparse
import http.client
import re
import shutil
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from velocem import config
from velocem.exceptions import ConfigError, StartError
from velocem.places import Tcp, Unix, parse

DEFAULT = "127.0.0.1:9000"
TIMEOUT = 5.0
LINE = re.compile(r"([a-zA-Z_]\w*)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
CLEAR, HOME, BOLD, PLAIN = "\x1b[2J", "\x1b[H", "\x1b[1m", "\x1b[0m"
SHARES = (0.5, 0.95, 0.99)
TROUBLES = ("refused", "aborted", "shed")


class Number(NamedTuple):
    """One line of the metrics."""

    name: str
    labels: dict[str, str]
    value: float


class Sample:
    """Everything that one answer said, and when."""

    def __init__(self, text: str, at: float) -> None:
        self.at = at
        self.numbers = list(read(text))

    def named(self, name: str) -> list[Number]:
        return [number for number in self.numbers if number.name == name]

    def get(self, name: str) -> float:
        return sum(number.value for number in self.named(name))

    def by(self, name: str, label: str) -> dict[str, float]:
        return {number.labels[label]: number.value for number in self.named(name)}

    def own(self) -> list[Number]:
        """The application's."""
        return [one for one in self.numbers if not one.name.startswith("velocem_") and not one.name.endswith("_bucket")]


def read(text: str) -> Iterator[Number]:
    for line in text.splitlines():
        if match := LINE.fullmatch(line):
            yield Number(match[1], dict(LABEL.findall(match[2] or "")), float(match[3]))


class Connection(http.client.HTTPConnection):
    """To a place as --admin names it."""

    def __init__(self, place: str) -> None:
        self.place = parse(place)
        if not isinstance(self.place, Tcp | Unix):
            raise ConfigError(f"{place!r} is no address to ask")
        host, port = (
            (self.place.host or "127.0.0.1", self.place.port) if isinstance(self.place, Tcp) else ("localhost", 80)
        )
        super().__init__(host, port, timeout=TIMEOUT)

    def connect(self) -> None:
        if not isinstance(self.place, Unix):
            super().connect()
            return
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIMEOUT)
        self.sock.connect("\0" + self.place.path[1:] if self.place.is_abstract else self.place.path)


def ask(place: str) -> Sample:
    connection = Connection(place)
    try:
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        text = response.read().decode()
        if response.status != 200:
            raise StartError(f"{place} answers {response.status}")
        return Sample(text, time.monotonic())
    except (OSError, http.client.HTTPException) as error:
        raise StartError(f"{place} does not answer: {error}") from None
    finally:
        connection.close()


def quantile(now: Sample, before: Sample | None, name: str, share: float) -> float | None:
    """The duration that this share of those between two samples is below."""
    earlier = [number.value for number in before.named(f"{name}_bucket")] if before else []
    buckets = [
        (float(number.labels["le"]), number.value - (earlier[place] if place < len(earlier) else 0.0))
        for place, number in enumerate(now.named(f"{name}_bucket"))
    ]
    wanted = share * buckets[-1][1] if buckets else 0.0
    if wanted <= 0:
        return None
    low, below = 0.0, 0.0
    for bound, count in buckets:
        if count >= wanted:
            return low if bound == float("inf") else low + (bound - low) * (wanted - below) / (count - below)
        low, below = bound, count
    return low


def show_duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    for unit, factor in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= factor:
            return f"{seconds / factor:.1f} {unit}"
    return f"{seconds * 1e6:.0f} us"


def show_size(count: float) -> str:
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count:.0f} B"


def screen(place: str, now: Sample, before: Sample | None) -> list[str]:
    """What is shown: rates since the sample before, or means since the start when there is none."""
    seconds = now.at - before.at if before else max(time.time() - now.get("velocem_start_time_seconds"), 1e-3)

    def rate(name: str) -> float:
        return max(now.get(name) - (before.get(name) if before else 0.0), 0.0) / seconds

    def durations(name: str) -> str:
        return "   ".join(f"{share:.0%} {show_duration(quantile(now, before, name, share))}" for share in SHARES)

    def counts(name: str, label: str, comma: str) -> str:
        return comma.join(f"{count:.0f} {what}" for what, count in now.by(name, label).items() if count)

    earlier = before.by("velocem_requests_total", "status") if before else {}
    statuses = now.by("velocem_requests_total", "status")
    rates = {status: (count - earlier.get(status, 0.0)) / seconds for status, count in statuses.items()}
    workers = counts("velocem_workers", "state", ", ") or "no worker"
    replaced = counts("velocem_workers_replaced_total", "cause", ", ") or "none"
    troubles = "   ".join(f"{what}/s {rate(f'velocem_requests_{what}_total'):.1f}" for what in TROUBLES)
    received, sent = rate("velocem_received_bytes_total"), rate("velocem_sent_bytes_total")
    lines = [
        f"{BOLD}Velocem at {place}{PLAIN}: {workers}; replaced: {replaced}",
        "",
        f"requests/s   {sum(rates.values()):.1f}   " + "   ".join(f"{name} {n:.1f}" for name, n in rates.items() if n),
        f"duration     {durations('velocem_request_duration_seconds')}",
        f"queue        {durations('velocem_request_queue_seconds')}",
        f"running      {now.get('velocem_requests_running'):.0f}   {troubles}",
        f"connections  {now.get('velocem_connections'):.0f}   {counts('velocem_connections', 'state', '   ')}",
        f"bytes/s      in {show_size(received)}   out {show_size(sent)}",
        "",
        f"{'worker':>8} {'process':>10} {'memory':>12}",
    ]
    lines += [
        f"{one.labels['worker']:>8} {one.labels['pid']:>10} {show_size(one.value):>12}"
        for one in now.named("velocem_worker_memory_bytes")
    ]
    if own := now.own():
        lines += ["", *(f"{spell(one)}  {one.value:g}" for one in own)]
    return lines


def spell(number: Number) -> str:
    labels = ",".join(f'{name}="{value}"' for name, value in number.labels.items())
    return number.name + (f"{{{labels}}}" if labels else "")


def watch(place: str, interval: float) -> None:
    before: Sample | None = None
    sys.stdout.write(CLEAR)
    while True:
        now = ask(place)
        size = shutil.get_terminal_size()
        lines = [line[: size.columns + len(BOLD + PLAIN)] for line in screen(place, now, before)[: size.lines - 1]]
        sys.stdout.write(HOME + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J")
        sys.stdout.flush()
        before = now
        time.sleep(interval)


def place_of(given: str | None) -> str:
    """As it is given, or as the server of this folder is configured."""
    settings = config.build(*config.surroundings())
    return given or next(iter(settings.admin), DEFAULT)


def main(argv: Sequence[str]) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="velocem top", description="Show what a server does, second by second.")
    parser.add_argument(
        "place", nargs="?", help=f"its admin address (default: that of the configuration, or {DEFAULT})"
    )
    parser.add_argument("--interval", type=float, default=1.0, metavar="SECONDS", help="between two looks (default: 1)")
    parser.add_argument("--once", action="store_true", help="one look, at the means since the start, and end")
    values = parser.parse_args(argv)
    try:
        place = place_of(values.place)
        if values.once or not sys.stdout.isatty():
            sys.stdout.write("\n".join(screen(place, ask(place), None)).replace(BOLD, "").replace(PLAIN, "") + "\n")
        else:
            watch(place, max(values.interval, 0.1))
    except (ConfigError, StartError, ValueError) as error:
        print(f"velocem top: error: {error}", file=sys.stderr)  # noqa: T201
        return 2 if isinstance(error, ConfigError) else 3
    except KeyboardInterrupt:
        return 0
    return 0
