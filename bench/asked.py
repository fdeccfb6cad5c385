"""What can be asked of the entrants: a request, how its load is made, and the answer that must come back."""

import json
from dataclasses import dataclass, field
from typing import Any, Literal

from entrants import Entrant, Kind

# A navigation of Chrome: 14 fields with Host.
BROWSER = """\
Connection: keep-alive
sec-ch-ua: "Chromium";v="130", "Google Chrome";v="130", "Not?A_Brand";v="99"
sec-ch-ua-mobile: ?0
sec-ch-ua-platform: "Linux"
Upgrade-Insecure-Requests: 1
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8
Sec-Fetch-Site: same-origin
Sec-Fetch-Mode: navigate
Sec-Fetch-Dest: document
Accept-Encoding: gzip, deflate, br, zstd
Accept-Language: en-US,en;q=0.9
Cookie: sessionid=q8fd1t6mpxv2k0z5r3h7w9yb4c1n6j8s; csrftoken=Zk3Vd9QmT1xRbY7uHc2Lf5Wg8Np0Sj4A; theme=dark
"""
KIB, MIB = 1 << 10, 1 << 20
FILE_SIZE = 10 * MIB
FILLER = b"v"  # what a large answer and the file are made of
# "closed": each connection sends when it has its answer. "open": at a fixed rate, whatever comes back. "memory": idle
# connections are weighed. "start": the time from the start of the process to the first right answer.
Way = Literal["closed", "open", "websocket", "echo", "memory", "start"]


@dataclass(frozen=True, kw_only=True)
class Load:
    """How the load is made."""

    way: Way = "closed"
    connections: int = 64
    together: int = 1  # requests sent in one piece, before their answers
    keep_alive: bool = True
    idle: int = 0  # connections that are open beside, and have had one answer
    part: float = 0.0  # open: the rate, as a part of the slowest server's capacity
    size: int = 0  # of a WebSocket message or of what is echoed
    hears: str = ""  # the idle ones hear of each request, as messages of WebSocket or events of /events
    rate: float = 0.0  # open: trains in a second, known when the run has come so far

    def frame_size(self) -> int:
        """Of a masked WebSocket frame."""
        return self.size + (6 if self.size < 126 else 8 if self.size < 1 << 16 else 14)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What must come back: a body byte for byte, or JSON of a value, or a page with all of these pieces."""

    status: int = 200
    content_type: str = "text/plain"  # without parameters
    body: bytes = b"Hello, World!"
    filler: int = 0  # a body of so many FILLERs instead
    value: Any = None
    pieces: tuple[bytes, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """The request is text with {host}, then a body; it is sent as it stands."""

    name: str
    title: str
    app: str
    group: str = ""  # a name for all that belong together
    request: str = ""
    body: bytes = b""
    body_filler: int = 0  # a body of so many FILLERs instead
    around: tuple[bytes, bytes] = (b"", b"")  # what stands before them and behind them
    answer: Answer = field(default_factory=Answer)
    # What a validating application must refuse, and how it may say so.
    bad_body: bytes = b""
    bad_statuses: tuple[int, ...] = (400, 422)
    heard: bytes = b""  # what each of a crowd that hears gets for each request
    load: Load | None = field(default_factory=Load)  # None: the process measures itself
    kinds: frozenset[Kind] = frozenset({"server"})  # who takes part, if it has the application; Velocem always
    among: frozenset[str] | None = None  # names of those that take part unless others are asked for; None is all
    unit: Literal["request", "MiB", "message", "operation", "connection", "start"] = "request"
    size: int = 0  # {size} of the command, and BENCH_SIZE
    point: int = 0  # of a growth curve, whose name is the group
    requirements: str = ""  # a file of requirements/bench with what the application needs beside its server
    floor: bool = True  # `limit` can answer the same
    fronted: bool = False  # asked of nginx; for entrants that have it in front, and those take part in nothing else
    threads: int = 0  # that the application runs in; only for those that can be told how many
    shared: bool = False  # servers and client have all cores together
    rounds: int = 5  # unless the command line says otherwise

    @property
    def together(self) -> int:
        return self.load.together if self.load else 1

    def started_like(self, other: "Scenario") -> bool:
        """Whether a server that was started for the other may serve this one too."""
        mine = (self.app, self.size, self.threads, self.shared)
        return mine == (other.app, other.size, other.threads, other.shared)

    def one(self, host: str) -> bytes:
        before, after = self.around
        body = FILLER * self.body_filler or self.body
        return self.request.format(host=host).encode("latin-1") + before + body + after

    def takes(self, entrant: Entrant) -> bool:
        """Whether it can take part, of its kind and with this application."""
        if entrant.interface == "limit":
            return self.floor and self.load is not None and bool(entrant.front) == self.fronted
        if (entrant.only and self.name not in entrant.only) or bool(entrant.front) != self.fronted:
            return False
        if self.threads and not entrant.threads:
            return False
        return (entrant.kind in self.kinds or entrant.ours) and entrant.has(self.app)

    def wants(self, entrant: Entrant) -> bool:
        """Whether it is to take part when nobody is named."""
        if entrant.ours or entrant.interface == "limit":
            return True
        return self.among is None or entrant.name in self.among

    def has_body(self) -> bool:
        return bool(self.body or self.body_filler)

    def request_size(self, host: str) -> int:
        return len(self.request.format(host=host)) + sum(map(len, self.around)) + (self.body_filler or len(self.body))

    def answer_body(self) -> bytes:
        """As the floor sends it."""
        answer = self.answer
        if self.load and self.load.way in {"websocket", "echo"}:
            return FILLER * self.load.size
        if answer.value is not None:
            return json.dumps(answer.value, separators=(",", ":")).encode()
        return FILLER * answer.filler or answer.body

    def units(self, answers: int, sent: int, received: int) -> float:
        """How much work was done. Large bodies are counted by what moved: the last ones are cut off by the clock."""
        if self.unit == "MiB":
            return received / MIB
        if self.body_filler >= MIB:
            return sent / self.request_size("127.0.0.1:65535")
        if self.answer.filler >= MIB:
            return received / self.answer.filler
        return answers


def get(target: str = "/", more: str = "") -> str:
    return f"GET {target} HTTP/1.1\r\nHost: {{host}}\r\n{more}\r\n"


def post(size: int, content_type: str = "application/octet-stream", target: str = "/") -> str:
    fields = f"Content-Type: {content_type}\r\nContent-Length: {size}\r\n"
    return f"POST {target} HTTP/1.1\r\nHost: {{host}}\r\n{fields}\r\n"


def as_size(size: int) -> str:
    for unit, name in ((MIB, "MiB"), (KIB, "KiB")):
        if size >= unit:
            return f"{size // unit} {name}"
    return f"{size} B"


def word(size: int) -> str:
    return as_size(size).replace(" ", "").replace("iB", "").replace("B", "").lower()
