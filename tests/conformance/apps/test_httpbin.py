"""httpbin as it is on PyPI."""

import base64
import gzip
import json
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from support.curl import curl

from velocem import Server

Open = Callable[[Server], httpx.Client]

# Importing it may warn of what its own dependencies are about to lose.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    httpbin = pytest.importorskip("httpbin", reason="httpbin does not work on this Python", exc_type=ImportError)
    with Server(httpbin.app) as running:
        yield running


@pytest.fixture
def client(server: Server, browse: Open) -> httpx.Client:
    return browse(server)


def test_get_tells_what_was_sent(server: Server, client: httpx.Client) -> None:
    told = client.get(
        "/get", params={"a": ["1", "2"], "snow": "雪"}, headers={b"X-Custom": "ü".encode("latin-1")}
    ).json()
    assert told["args"] == {"a": ["1", "2"], "snow": "雪"}
    assert told["headers"]["X-Custom"] == "ü"
    assert told["origin"] == "127.0.0.1"
    assert told["url"] == f"{server.url}/get?a=1&a=2&snow=雪"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_bodies_of_each_kind(client: httpx.Client, method: str) -> None:
    path = f"/{method.lower()}"
    assert client.request(method, path, json={"a": [1]}).json()["json"] == {"a": [1]}
    assert client.request(method, path, data={"a": "ü"}).json()["form"] == {"a": "ü"}
    assert client.request(method, path, files={"f": ("f.txt", b"text")}).json()["files"] == {"f": "text"}
    raw = client.request(method, path, content=iter([b"chunk"] * 3)).json()
    assert raw["data"] == "chunk" * 3
    binary = client.request(method, path, content=bytes(range(256))).json()["data"]
    assert base64.b64decode(binary.partition(",")[2]) == bytes(range(256))


@pytest.mark.parametrize("status", [200, 201, 204, 205, 206, 301, 304, 400, 401, 404, 406, 418, 429, 500, 502, 503])
def test_statuses(client: httpx.Client, status: int) -> None:
    assert client.get(f"/status/{status}").status_code == status
    assert client.post(f"/status/{status}").status_code == status
    assert client.get("/get").status_code == 200


def test_redirects_are_followed(server: Server, client: httpx.Client) -> None:
    response = client.get("/redirect/4", follow_redirects=True)
    assert [step.status_code for step in response.history] == [302] * 4
    assert response.json()["url"] == f"{server.url}/get"
    absolute = client.get("/absolute-redirect/2", follow_redirects=True)
    assert absolute.status_code == 200
    assert curl("-L", f"{server.url}/relative-redirect/3").history == [302] * 3
    assert client.get("/redirect-to?url=/get&status_code=307").headers["Location"] == "/get"


def test_cookies(client: httpx.Client) -> None:
    client.get("/cookies/set?a=1&b=2")
    assert client.get("/cookies").json() == {"cookies": {"a": "1", "b": "2"}}
    client.get("/cookies/delete?a")
    assert client.get("/cookies").json() == {"cookies": {"b": "2"}}


def test_encoded_bodies(server: Server, client: httpx.Client) -> None:
    assert client.get("/gzip").json()["gzipped"] is True
    assert client.get("/deflate").json()["deflated"] is True
    plain = curl(f"{server.url}/gzip", "-H", "Accept-Encoding: gzip")
    assert json.loads(gzip.decompress(plain.body))["gzipped"] is True
    assert curl("--compressed", f"{server.url}/gzip").body.startswith(b"{")
    assert zlib.decompress(curl(f"{server.url}/deflate").body).startswith(b"{")


def test_streams(client: httpx.Client) -> None:
    lines = client.get("/stream/20").text.splitlines()
    assert [json.loads(line)["id"] for line in lines] == list(range(20))
    first = client.get("/stream-bytes/50000?seed=1&chunk_size=1000")
    assert len(first.content) == 50000
    assert first.content == client.get("/stream-bytes/50000?seed=1&chunk_size=7000").content


def test_bytes_and_ranges(client: httpx.Client) -> None:
    response = client.get("/bytes/100000?seed=5")
    assert (len(response.content), response.headers["Content-Length"]) == (100000, "100000")
    assert client.get("/bytes/0").content == b""
    whole = client.get("/range/1024").content
    part = client.get("/range/1024", headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, whole[100:200])


def test_delay_and_drip(client: httpx.Client) -> None:
    started = time.monotonic()
    assert client.get("/delay/0.3").status_code == 200
    assert time.monotonic() - started >= 0.3
    with client.stream("GET", "/drip?duration=0.4&numbytes=5&delay=0") as response:
        arrivals = [time.monotonic() for _ in response.iter_raw(1)]
    assert len(arrivals) == 5
    assert arrivals[-1] - arrivals[0] > 0.2


def test_authentication(client: httpx.Client) -> None:
    assert client.get("/basic-auth/u/p").headers["WWW-Authenticate"] == 'Basic realm="Fake Realm"'
    assert client.get("/basic-auth/u/p", auth=("u", "p")).json()["authenticated"] is True
    digest = client.get("/digest-auth/auth/u/p", auth=httpx.DigestAuth("u", "p"))
    assert digest.json()["authenticated"] is True
    assert client.get("/bearer", headers={"Authorization": "Bearer token"}).json()["token"] == "token"


def test_caching(client: httpx.Client) -> None:
    assert client.get("/cache", headers={"If-None-Match": "x"}).status_code == 304
    assert client.get("/etag/tag", headers={"If-None-Match": "tag"}).status_code == 304
    assert client.get("/etag/tag", headers={"If-Match": "other"}).status_code == 412
    assert client.get("/cache/60").headers["Cache-Control"] == "public, max-age=60"


def test_pictures_and_pages(client: httpx.Client, tmp_path: Path) -> None:
    assert client.get("/image/png").content.startswith(b"\x89PNG")
    assert client.get("/image/webp").content[8:12] == b"WEBP"
    assert "Moby-Dick" in client.get("/html").text
    assert "∮ E⋅da = Q" in client.get("/encoding/utf8").text
    assert client.get("/robots.txt").headers["Content-Type"] == "text/plain"


def test_response_headers_repeat(client: httpx.Client) -> None:
    response = client.get("/response-headers", params={"X-One": ["a", "b"]})
    assert response.headers.get_list("X-One") == ["a", "b"]


def test_anything_with_odd_methods_and_targets(server: Server, client: httpx.Client) -> None:
    told = client.request("TRACE", "/anything/a%2Fb%20c;p=1?q=%2F").json()
    assert told["method"] == "TRACE"
    assert told["args"] == {"q": "/"}
    assert "/anything/a/b%20c;p=1?" in told["url"]
    assert client.head("/get").headers["Content-Length"].isdigit()
    allowed = curl("-X", "OPTIONS", f"{server.url}/get").fields["allow"]
    assert set(allowed.split(", ")) == {"GET", "HEAD", "OPTIONS"}
