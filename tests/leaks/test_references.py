"""On a debug build of CPython: after thousands of requests of every feature there are as many references as before."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.client import Client, request
from support.flat import Address, Use, break_a_rule, frame, hand_shake, talk, vanish, vanish_in_talk
from support.process import Process

pytestmark = [
    pytest.mark.skipif(
        not hasattr(sys, "gettotalrefcount"), reason="this CPython does not count references: make test-debug"
    ),
    pytest.mark.timeout(300),
]

WARM = 200
REQUESTS = 1_000
ROUNDS = 4  # at most
# One reference that is lost in a request would be a thousand, one in ten requests a hundred.
GROWTH = 80

FORM = {"Content-Type": "multipart/form-data; boundary=xyz"}
JSON = "Content-Type: application/json"
UPLOAD = (
    b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\n'
    + b"line\n" * 20
    + b'\r\n--xyz\r\nContent-Disposition: form-data; name="title"\r\n\r\na title\r\n--xyz--\r\n'
)
CHUNKED = (
    b"POST /post HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na\nb\r\n4\r\ncdef\r\n0\r\nX: 1\r\n\r\n"
)
FIELDS = ["User-Agent: a", "Accept: text/html", "Cookie: a=1", "Cookie: b=2", "X-Own: 1", "X-Own: 2", "X_Dropped: 1"]


def ask(address: Address, data: bytes, count: int) -> None:
    """Each answer whole, or cut where the connection is closed."""
    client = Client(address)
    for _ in range(count):
        client.send(data)
        try:
            if not client.read(head=data.startswith(b"HEAD")).closes:
                continue
        except (AssertionError, ConnectionResetError):
            pass
        client.close()
        client = Client(address)
    client.close()


def total(address: Address) -> int:
    """The smallest of some looks: what clients have left may not be over."""
    looks = []
    for _ in range(5):
        with Client(address) as client:
            looks.append(int(client.ask(request("GET", "/references")).body))
        time.sleep(0.05)
    return min(looks)


def stays(address: Address, use: Use, data: bytes) -> None:
    """What is lost is lost each time; what caches keep, once."""
    use(address, data, WARM)
    grown: list[int] = []
    before = total(address)
    while not grown or (abs(grown[-1]) >= GROWTH and len(grown) < ROUNDS):
        use(address, data, REQUESTS)
        after = total(address)
        grown.append(after - before)
        before = after
    print(f"{grown} references more, each after {REQUESTS} requests")
    assert abs(grown[-1]) < GROWTH


GET = {name: request("GET", f"/{name}") for name in ("hello", "exception", "refused", "file")}
BODIES = {"body": request("POST", "/post", body=b"line\n" * 20), "chunked": CHUNKED}

WSGI = {
    **GET,
    **BODIES,
    **{name: request("GET", f"/{name}") for name in ("not_found", "generator", "late", "write")},
    "fields": request("GET", "/hello?a=%20", *FIELDS),
    "head": request("HEAD", "/hello"),
    "bad": b"GET / HTTP/1.1\r\nHost a\r\n\r\n",
}
ASGI = {
    **GET,
    **BODIES,
    **{name: request("GET", f"/{name}") for name in ("waits", "task", "stream", "early")},
    "fields": request("GET", "/hello?a=%20", *FIELDS),
    "denied": hand_shake("/denied"),
    "bad key": hand_shake("/chat").replace(b"ZQ==", b"!!"),
}
NATIVE = {
    **{name: request("GET", f"/{name}") for name in ("hello", "waits", "session", "fails", "none", "file", "stream")},
    "parameters": request("GET", "/users/42?q=a%20b&tag=1&tag=2"),
    "faults": request("GET", "/users/x?q=a"),
    "json": request("POST", "/new", JSON, body=b'{"name": "a", "tags": ["b"]}'),
    "invalid json": request("POST", "/new", JSON, body=b'{"name": "", "tags": ["b"]}'),
    "no json": request("POST", "/new", JSON, body=b"{"),
    "ranges": request("GET", "/file", "Range: bytes=0-9,20-29"),
    "upload": request("POST", "/upload", *(f"{k}: {v}" for k, v in FORM.items()), body=UPLOAD),
    "upload cut off": request("POST", "/upload", *(f"{k}: {v}" for k, v in FORM.items()), body=UPLOAD[:150]),
    "denied": hand_shake("/none"),
}
HALF = request("POST", "/post", body=b"x" * 300)[:-10]
MESSAGE = b' {"name":"a","tags":[]}'

WSGI_GONE = {"goes in a response": request("GET", "/endless"), "goes in a body": HALF}
ASGI_GONE = {f"goes {name}": request("GET", f"/{name}") for name in ("endless", "long", "waits")} | {
    "goes in a body": HALF
}
NATIVE_GONE = WSGI_GONE


def rows(asked: dict[str, bytes], gone: dict[str, bytes]) -> dict[str, tuple[Use, bytes]]:
    uses: dict[str, tuple[Use, bytes]] = {name: (ask, data) for name, data in asked.items()}
    uses.update({name: (vanish, data) for name, data in gone.items()})
    return uses


ROWS: dict[str, dict[str, tuple[Use, bytes]]] = {
    "features:app": rows(WSGI, WSGI_GONE),
    "asgi_features:app": {
        **rows(ASGI, ASGI_GONE),
        "messages": (talk, b"/chat hello"),
        "fails in a WebSocket": (vanish_in_talk, b"/chat fail"),
        "goes in a WebSocket": (vanish_in_talk, b"/chat a"),
        "breaks a rule": (break_a_rule, b"/chat GET /"),
        "breaks UTF-8": (break_a_rule, b"/chat " + frame(1, b"\xff")),
    },
    "native_features:app": {
        **rows(NATIVE, NATIVE_GONE),
        "messages": (talk, b"/chat" + MESSAGE),
        "goes in a WebSocket": (vanish_in_talk, b"/chat" + MESSAGE),
        "breaks a rule": (break_a_rule, b"/chat GET /"),
        "no message": (break_a_rule, b"/chat " + frame(1, b"{")),
    },
}

SERVERS = {
    "WSGI": ("features:app",),
    "WSGI in threads": ("features:app", "--threads", "2"),
    "WSGI in threads, streamed": ("features:app", "--threads", "2", "--stream-body"),
    "ASGI": ("asgi_features:app",),
    "native": ("native_features:app",),
}


@pytest.fixture(scope="module")
def addresses() -> Iterator[Callable[[str], Address]]:
    """One server of each kind, when it is asked for."""
    running: dict[str, Process] = {}

    def address(kind: str) -> Address:
        if kind not in running:
            options = ["--port", "0", "--no-access-log", "--timeout-keep-alive", "60"]
            process = Process(*SERVERS[kind], *options, cwd=Path(__file__).parent)
            running[kind] = process.__enter__()
            with Client(process.address) as client:
                client.ask(request("GET", "/quiet"))
        return running[kind].address

    yield address
    for process in running.values():
        process.__exit__(None, None, None)


CASES = [pytest.param(kind, name, id=f"{kind}-{name}") for kind, line in SERVERS.items() for name in ROWS[line[0]]]


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_references_stay(addresses: Callable[[str], Address], kind: str, name: str) -> None:
    use, data = ROWS[SERVERS[kind][0]][name]
    stays(addresses(kind), use, data)
