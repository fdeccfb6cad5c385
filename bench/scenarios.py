"""What is asked of the servers: the request's bytes, what must come back, and how the floor is to answer the same."""

from collections.abc import Mapping
from dataclasses import dataclass, field

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
GET = "GET / HTTP/1.1\r\nHost: {host}\r\n"
BODY_SIZE = 1024
FILE_SIZE = 10 << 20
FILE_BYTE = b"v"


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """The request is text with {host}; it is sent as it stands, `together` times in one piece."""

    name: str
    title: str
    request: str
    app: str = "hello"
    body: bytes = b"Hello, World!"
    content_type: str = "text/plain"
    together: int = 1
    keep_alive: bool = True
    connections: int = 64
    unit: str = "request"
    limit: tuple[str, ...] = ()  # options of the floor; {size} is that of one request, {file} the file's path
    env: Mapping[str, str] = field(default_factory=dict)

    def one(self, host: str) -> bytes:
        return self.request.format(host=host).encode("latin-1")

    def units(self, requests: int, received: int) -> float:
        """How much work was done. A file is counted by what arrived: the last ones are cut off by the clock."""
        return received / (1 << 20) if self.unit == "MiB" else requests


EVERY = (
    Scenario(name="hello", title="hello, kept alive", request=GET + "\r\n"),
    Scenario(
        name="headers",
        title="14 browser header fields",
        request=GET + BROWSER.replace("\n", "\r\n") + "\r\n",
    ),
    Scenario(
        name="pipelined",
        title="16 pipelined, per request",
        request=GET + "\r\n",
        together=16,
        limit=("--request-size", "{size}"),
    ),
    Scenario(
        name="post",
        title="POST of 1 KiB",
        request="POST / HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/octet-stream\r\n"
        f"Content-Length: {BODY_SIZE}\r\n\r\n{'x' * BODY_SIZE}",
        app="post",
        body=b"%d" % BODY_SIZE,
        limit=("--request-size", "{size}", "--body", str(BODY_SIZE)),
    ),
    Scenario(
        name="close",
        title="a connection per request",
        request=GET + "Connection: close\r\n\r\n",
        keep_alive=False,
        limit=("--close",),
    ),
    Scenario(
        name="file",
        title="10 MiB file by file_wrapper, per MiB",
        request=GET + "\r\n",
        app="file",
        body=FILE_BYTE * FILE_SIZE,
        content_type="application/octet-stream",
        connections=8,  # each has a file under way when the clock stops
        unit="MiB",
        limit=("--file", "{file}"),
    ),
)
MEMORY = Scenario(name="memory", title="an idle kept-alive connection", request=GET + "\r\n", unit="connection")
BY_NAME = {scenario.name: scenario for scenario in (*EVERY, MEMORY)}
