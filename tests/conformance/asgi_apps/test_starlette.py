"""Starlette's own middleware and responses (tests/data/desk/starlette_middleware.py)."""

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from desk import starlette_middleware as desk
from support.client import Client, request

from velocem import Server

Browse = Callable[[Server], httpx.Client]
Until = Callable[[Callable[[], bool]], None]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(desk.app) as running:
        yield running


@pytest.fixture
def client(server: Server, browse: Browse) -> httpx.Client:
    desk.log.clear()
    return browse(server)


def test_a_session_is_kept_in_its_cookie(client: httpx.Client) -> None:
    assert [client.get("/count").text for _ in range(3)] == ["1", "2", "3"]
    client.cookies.clear()
    assert client.get("/count").text == "1"


def test_a_page_is_compressed(client: httpx.Client) -> None:
    with client.stream("GET", "/page") as response:
        raw = b"".join(response.iter_raw())
    assert response.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(raw) == desk.PAGE
    assert len(raw) < len(desk.PAGE) / 10
    assert client.get("/page", headers={"Accept-Encoding": "identity"}).content == desk.PAGE


def test_a_stream_is_compressed(client: httpx.Client) -> None:
    response = client.get("/stream")
    assert response.headers["Content-Encoding"] == "gzip"
    assert response.content == desk.LINE * 100


def test_a_body_that_middleware_has_read_is_there_for_the_handler(client: httpx.Client, until: Until) -> None:
    data = bytes(range(256)) * 4000
    response = client.post("/echo", content=data)
    assert response.content == data
    assert response.headers["X-Stamp"] == f"/echo {len(data)}"
    until(lambda: desk.log == ["echoed"])


def test_an_error_goes_through_the_middleware(client: httpx.Client) -> None:
    assert client.get("/fail").status_code == 500
    assert client.get("/count").status_code == 200


def test_a_file_and_a_range_of_it(client: httpx.Client) -> None:
    source = Path(desk.__file__).read_bytes()
    assert client.get("/file").content == source
    part = client.get("/file", headers={"Range": "bytes=10-19", "Accept-Encoding": "identity"})
    assert (part.status_code, part.content) == (206, source[10:20])
    assert client.get("/static/shared.py").content == Path(desk.__file__).with_name("shared.py").read_bytes()


def test_a_client_that_leaves_ends_its_stream(server: Server, client: httpx.Client, until: Until) -> None:
    with Client(server) as leaver:
        leaver.send(request(target="/endless"))
        assert leaver.read_status() == (200, "OK")
        leaver.reset()
    until(lambda: "endless ended" in desk.log)
    assert client.get("/count").status_code == 200
