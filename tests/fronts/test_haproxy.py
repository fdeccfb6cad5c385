"""HAProxy in front of two instances, with version 2 of the PROXY protocol, by the file of deploy/haproxy."""

import hashlib
import http.client
import json
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from support.certificates import Pair, make
from support.fronts import DEPLOY, Front, Instances, fetch, fill_in, free_port, haproxy, wait_until
from support.load import Load
from websockets.sync.client import connect


class Site(NamedTuple):
    """HAProxy and what is behind it."""

    front: Front
    tls_port: int
    pair: Pair
    instances: Instances
    app: str


def start(stack: ExitStack, folder: Path, app: str, version: str = "v2") -> Site:
    """version: of the header; 1 has no options."""
    port, tls_port, ports = free_port(), free_port(), [free_port(), free_port()]
    pair = make(folder)
    (folder / "site.pem").write_bytes(pair.certificate.read_bytes() + pair.key.read_bytes())
    places = {
        "bind :80": f"bind 127.0.0.1:{port}",
        "bind :443": f"bind 127.0.0.1:{tls_port}",
        "/etc/haproxy/": f"{folder}/",
        "maxconn 10000": "maxconn 500",  # this machine may lend fewer descriptors
        "127.0.0.1:8001": f"127.0.0.1:{ports[0]}",
        "127.0.0.1:8002": f"127.0.0.1:{ports[1]}",
    }
    if version == "v1":
        places["send-proxy-v2 proxy-v2-options ssl,crc32c"] = "send-proxy"
    text = fill_in((DEPLOY / "haproxy" / "haproxy.cfg").read_text(), places)
    options = [["--port", str(one), "--workers", "2", "--proxy-allow-from", "127.0.0.1"] for one in ports]
    instances = stack.enter_context(Instances(f"fronted:{app}", options, folder))
    front = stack.enter_context(haproxy(text, folder, port))
    site = Site(front, tls_port, pair, instances, app)
    wait_until(lambda: fetch(port, "/")[0] == 200)  # until the first check it has nobody to ask
    return site


@pytest.fixture(scope="module", params=["app", "asgi"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with ExitStack() as stack:
        yield start(stack, tmp_path_factory.mktemp("site"), str(request.param))


def test_application_sees_the_client(site: Site) -> None:
    told = json.loads(fetch(site.front.port, "/environ?a=b")[1])
    assert (told["REMOTE_ADDR"], told["wsgi.url_scheme"]) == ("127.0.0.1", "http")
    assert (told["HTTP_HOST"], told["QUERY_STRING"]) == ("example.org", "a=b")


def test_another_address_of_the_client_is_seen(site: Site) -> None:
    """127.0.0.2 is another client; HAProxy itself comes from 127.0.0.1."""
    connection = http.client.HTTPConnection("127.0.0.1", site.front.port, timeout=30, source_address=("127.0.0.2", 0))
    connection.request("GET", "/environ", headers={"Host": "example.org"})
    told = json.loads(connection.getresponse().read())
    connection.close()
    assert told["REMOTE_ADDR"] == "127.0.0.2"


def test_tls_of_the_client_is_the_scheme(site: Site) -> None:
    context = ssl.create_default_context(cafile=str(site.pair.certificate))
    connection = http.client.HTTPSConnection("127.0.0.1", site.tls_port, timeout=30, context=context)
    for _ in range(2):
        connection.request("GET", "/environ", headers={"Host": "example.org"})
        assert json.loads(connection.getresponse().read())["wsgi.url_scheme"] == "https"
    connection.close()


@pytest.mark.parametrize("size", [1, 1 << 20, 20 << 20])
def test_bodies_arrive_whole(site: Site, size: int) -> None:
    body = b"b" * size
    status, data = fetch(site.front.port, "/body", body)
    assert status == 200
    assert json.loads(data) == [size, hashlib.sha256(body).hexdigest()]


def test_streams_arrive_whole(site: Site) -> None:
    status, data = fetch(site.front.port, "/stream/1000")
    assert (status, len(data)) == (200, 1000 * (16 << 10))


def test_stream_that_fails_does_not_look_whole(site: Site) -> None:
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        fetch(site.front.port, "/fails")


def test_websocket_goes_through(site: Site) -> None:
    if site.app == "asgi":
        with connect(f"ws://127.0.0.1:{site.front.port}/") as socket:
            socket.send("text")
            assert socket.recv(timeout=30) == "text"


def test_checks_are_no_requests_and_no_complaints(site: Site) -> None:
    assert "closed:" not in site.instances.said()


def test_nothing_is_lost_when_an_instance_is_replaced(site: Site) -> None:
    with Load(site.front.address, fresh=2, kept=2, thinking=2) as load:
        load.wait_for(50)
        for number in (0, 1):
            site.instances.replace(number)
            load.wait_for(50)
            up = f"Server app/{('one', 'two')[number]} is UP"
            wait_until(lambda up=up: up in site.front.said())  # type: ignore[misc]
    assert not load.losses, load.losses[:5]
    assert load.figure.retried == 0


def test_version_1(tmp_path: Path) -> None:
    with ExitStack() as stack:
        site = start(stack, tmp_path, "app", "v1")
        connection = http.client.HTTPConnection(
            "127.0.0.1", site.front.port, timeout=30, source_address=("127.0.0.3", 0)
        )
        connection.request("GET", "/environ", headers={"Host": "example.org"})
        assert json.loads(connection.getresponse().read())["REMOTE_ADDR"] == "127.0.0.3"
        connection.close()
