"""HTTP/1 request parsers behind one face: what each makes of the bytes of one connection."""

import json
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple, Self

import h11
import httptools
import llhttp  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parent.parent.parent.parent


class Parsed(NamedTuple):
    """A request that a server would act on."""

    method: str
    target: str
    minor: int
    fields: list[tuple[str, str]]  # names in lower case, no trailers
    body: bytes


class Verdict(NamedTuple):
    """The complete requests, and why there are no more: empty when the parser would take more bytes."""

    requests: list[Parsed]
    stop: str


def lower(fields: list[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in fields]


# --- llhttp, as Node has it ------------------------------------------------------------------------------------------


class LlhttpRequest(llhttp.Request):  # type: ignore[misc]
    """Collects requests; parts may come in several calls."""

    def __init__(self) -> None:
        self.requests: list[Parsed] = []
        self.begin()

    def begin(self) -> None:
        self.parts = {"method": b"", "target": b"", "name": b"", "value": b"", "body": b""}
        self.minor_seen = 0
        self.collected: list[tuple[bytes, bytes]] = []
        self.in_head = True

    def on_message_begin(self) -> None:
        self.begin()

    def on_method(self, data: Any) -> None:
        self.parts["method"] += bytes(data)

    def on_url(self, data: Any) -> None:
        self.parts["target"] += bytes(data)

    def on_header_field(self, data: Any) -> None:
        self.parts["name"] += bytes(data)

    def on_header_value(self, data: Any) -> None:
        self.parts["value"] += bytes(data)

    def on_header_value_complete(self) -> None:
        if self.in_head:
            self.collected.append((self.parts["name"], self.parts["value"]))
        self.parts["name"] = self.parts["value"] = b""

    def on_headers_complete(self) -> None:
        self.minor_seen = self.minor
        self.in_head = False

    def on_body(self, data: Any) -> None:
        self.parts["body"] += bytes(data)

    def on_message_complete(self) -> None:
        method, target = self.parts["method"].decode("latin-1"), self.parts["target"].decode("latin-1")
        self.requests.append(Parsed(method, target, self.minor_seen, lower(self.collected), self.parts["body"]))


def by_llhttp(data: bytes) -> Verdict:
    parser = LlhttpRequest()
    try:
        parser.execute(data)
    except llhttp.Error as error:
        return Verdict(parser.requests, str(error))
    return Verdict(parser.requests, "upgrade" if parser.is_upgrading else "")


# --- httptools, as uvicorn has it ------------------------------------------------------------------------------------


class HttptoolsRequest:
    """Collects requests."""

    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.requests: list[Parsed] = []

    def on_message_begin(self) -> None:
        self.target = self.body = self.method = b""
        self.version = ""
        self.collected: list[tuple[bytes, bytes]] = []
        self.in_head = True

    def on_url(self, data: bytes) -> None:
        self.target += data

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.in_head:
            self.collected.append((name, value))

    def on_headers_complete(self) -> None:
        self.method, self.version = self.parser.get_method(), self.parser.get_http_version()
        self.in_head = False

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        minor = int(self.version.partition(".")[2])
        method, target = self.method.decode("latin-1"), self.target.decode("latin-1")
        self.requests.append(Parsed(method, target, minor, lower(self.collected), self.body))


def by_httptools(data: bytes) -> Verdict:
    request = HttptoolsRequest()
    try:
        request.parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        return Verdict(request.requests, "upgrade")
    except httptools.HttpParserError as error:
        return Verdict(request.requests, str(error) or type(error).__name__)
    return Verdict(request.requests, "")


# --- h11 -------------------------------------------------------------------------------------------------------------


def by_h11(data: bytes) -> Verdict:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    requests: list[Parsed] = []
    connection.receive_data(data)
    head: h11.Request | None = None
    body = b""
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError as error:
            return Verdict(requests, str(error))
        if isinstance(event, h11.Request):
            head, body = event, b""
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            assert head is not None
            fields = [(bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in head.headers]
            method, target = head.method.decode("latin-1"), head.target.decode("latin-1")
            requests.append(Parsed(method, target, int(head.http_version[2:]), fields, body))
            connection.send(h11.Response(status_code=404, headers=[("Content-Length", "0")]))
            connection.send(h11.EndOfMessage())
            if connection.our_state is not h11.DONE:
                return Verdict(requests, "closed")
            connection.start_next_cycle()
        elif event is h11.PAUSED:
            return Verdict(requests, "upgrade")
        else:
            return Verdict(requests, "")


# --- ours ------------------------------------------------------------------------------------------------------------


def compile_ours(folder: Path) -> Path | None:
    """tests/c/tools/serve_http1.c with the parser's sources, or None without a compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    command = [compiler, "-O1", "-std=gnu17", "-D_GNU_SOURCE", f"-I{ROOT / 'src'}"]
    sources = [path for name in ("base", "http", "http1") for path in sorted((ROOT / "src" / name).glob("*.c"))]
    vector = {
        path: flag for path in sources if (flag := {"scan_avx2": "-mavx2", "scan_sse42": "-msse4.2"}.get(path.stem))
    }
    objects = []
    for path, flag in vector.items():
        if platform.machine() == "x86_64":
            objects.append(folder / f"{path.stem}.o")
            subprocess.run([*command, flag, "-c", path, "-o", objects[-1]], check=True)
    plain = [path for path in sources if path not in vector]
    program = folder / "serve_http1"
    subprocess.run([*command, ROOT / "tests/c/tools/serve_http1.c", *plain, *objects, "-o", program], check=True)
    return program


class Ours:
    """The program above, asked again and again."""

    def __init__(self, program: Path) -> None:
        self.popen = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.popen.stdin is not None
        assert self.popen.stdout is not None
        self.popen.stdin.close()
        self.popen.stdout.close()
        assert self.popen.wait(10) == 0

    def __call__(self, data: bytes) -> Verdict:
        assert self.popen.stdin is not None
        assert self.popen.stdout is not None
        self.popen.stdin.write(b"%d\n" % len(data) + data)
        self.popen.stdin.flush()
        told = json.loads(self.popen.stdout.readline())
        requests = [
            Parsed(
                row["method"],
                row["target"],
                row["minor"],
                [(name.lower(), value) for name, value in row["fields"]],
                row["body"].encode("latin-1"),
            )
            for row in told["requests"]
        ]
        if told["status"]:
            return Verdict(requests, told["why"])
        return Verdict(requests, "closed" if told["closed"] else "")
