"""nginx in front of two instances, by HTTP and by uwsgi, with the files that deploy/nginx gives to people."""

import hashlib
import http.client
import json
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.faults import workers_of
from support.fronts import Site, fetch, wait_until
from support.load import Load
from websockets.sync.client import connect

BLOCK = bytes(range(256)) * 64  # of the application's streams


def test_application_sees_the_client_and_its_request(site: Site) -> None:
    status, data = fetch(site.front.port, "/environ?a=%20b", X_Forwarded_For="203.0.113.1", Proxy="http://evil")
    told = json.loads(data)
    assert status == 200
    assert told["REMOTE_ADDR"] == "127.0.0.1"
    assert told["HTTP_HOST"] == "example.org"
    assert told["QUERY_STRING"] == "a=%20b"
    assert told["wsgi.url_scheme"] == "http"
    assert "http://evil" not in told.values()
    if site.kind != "http" and site.app == "app":
        assert told["REQUEST_URI"] == "/environ?a=%20b"


@pytest.mark.parametrize("target", ["/environ%41", "/%E2%82%AC", "/a%2Fb", "/a%25b"])
def test_path_is_decoded_once(site: Site, target: str) -> None:
    with_page = "/environ" if target == "/environ%41" else target
    status, data = fetch(site.front.port, with_page)
    assert (status, data[:1]) == (200, b"{" if with_page == "/environ" else b"h")


def test_static_files_do_not_reach_the_application(site: Site) -> None:
    assert fetch(site.front.port, "/static/page.css") == (200, b"body {}")
    assert fetch(site.front.port, "/static/none.css")[0] == 404


@pytest.mark.parametrize("size", [1, 16 << 10, 1 << 20, 20 << 20])
def test_bodies_arrive_whole(site: Site, size: int) -> None:
    body = random.Random(size).randbytes(size)
    status, data = fetch(site.front.port, "/body", body)
    assert status == 200
    assert json.loads(data) == [size, hashlib.sha256(body).hexdigest()]


def test_chunked_body_arrives_whole(site: Site) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", site.front.port, timeout=30)
    pieces = [b"x" * 50_000, b"y", b"z" * 7]
    connection.request("POST", "/body", iter(pieces), {"Host": "example.org"}, encode_chunked=True)
    told = json.loads(connection.getresponse().read())
    connection.close()
    assert told == [50_008, hashlib.sha256(b"".join(pieces)).hexdigest()]


def test_streams_arrive_whole(site: Site) -> None:
    status, data = fetch(site.front.port, "/stream/1000")
    assert status == 200
    assert hashlib.sha256(data).digest() == hashlib.sha256(BLOCK * 1000).digest()


def test_stream_comes_as_it_is_made(site: Site, tmp_path: Path) -> None:
    sign = tmp_path / "read"
    connection = http.client.HTTPConnection("127.0.0.1", site.front.port, timeout=30)
    connection.request("GET", f"/drip?{sign}", headers={"Host": "example.org"})
    response = connection.getresponse()
    first = response.readline()
    sign.touch()
    second = response.readline()
    connection.close()
    assert (first, second) == (b"first\n", b"second\n")


def test_stream_that_fails_does_not_look_whole(site: Site) -> None:
    if site.kind == "uwsgi":  # a Unix socket knows no reset: its end is the body's end, as docs/uwsgi.md says
        status, data = fetch(site.front.port, "/fails")
        assert (status, data) == (200, b"begun") or status == 502  # the latter when nothing was sent by then
        return
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        fetch(site.front.port, "/fails")


def test_clients_are_kept_alive(site: Site) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", site.front.port, timeout=30)
    for _ in range(20):
        connection.request("GET", "/", headers={"Host": "example.org"})
        assert connection.getresponse().read() == b"hello"
    connection.close()


def test_websocket_goes_through(site: Site) -> None:
    if site.app == "app":
        pytest.skip("WSGI has no WebSocket")
    with connect(f"ws://127.0.0.1:{site.front.port}/", max_size=None) as socket:
        for message in ("text", b"bytes", "x" * 200_000):
            socket.send(message)
            assert socket.recv(timeout=30) == message


def test_nothing_is_lost_when_an_instance_is_replaced(site: Site) -> None:
    with Load(site.front.address, fresh=2, kept=2, thinking=2) as load:
        load.wait_for(50)
        for number in (0, 1):
            site.instances.replace(number)
            load.wait_for(50)
    assert not load.losses, load.losses[:5]
    assert load.figure.retried == 0


def test_nothing_is_lost_by_reloads(site: Site) -> None:
    with Load(site.front.address, fresh=2, kept=2) as load, ThreadPoolExecutor(1) as pool:
        bodies = [pool.submit(fetch, site.front.port, "/body", b"b" * 100_000) for _ in range(20)]
        for _ in range(2):
            old = [workers_of(process) for process in site.instances.running]
            site.instances.reload()
            wait_until(
                lambda old=old: all(  # type: ignore[misc]
                    len(workers_of(process)) == 2 and not workers_of(process) & before
                    for process, before in zip(site.instances.running, old, strict=True)
                )
            )
            load.wait_for(20)
        assert {body.result()[0] for body in bodies} == {200}
    assert not load.losses, load.losses[:5]
