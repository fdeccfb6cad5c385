"""The access log as users shape it: gunicorn's atoms, JSON, a share of the requests; and how long requests wait."""

import json
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from support.client import Client, request
from support.faults import wait_until

import velocem
from velocem import config
from velocem.exceptions import ConfigError
from velocem.types import StartResponse, WSGIEnvironment

GUNICORN = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"'


def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    status = {"/fail": "500 No", "/none": "404 Not Found"}.get(environ["PATH_INFO"], "200 OK")
    start_response(status, [("Content-Length", "2"), ("X-Trace", "t-1")])
    return [b"ok"]


def lines_of(tmp_path: Path, form: str, *requests: bytes, count: int | None = None, **options: Any) -> list[str]:
    path = tmp_path / "access"
    with velocem.Server(app, access_logfile=str(path), access_log_format=form, **options) as server:
        with Client(server) as client:
            for one in requests:
                client.ask(one)
        wanted = len(requests) if count is None else count
        wait_until(lambda: path.read_text().count("\n") >= wanted, 10)
    return path.read_text().splitlines()


def test_the_default_format_of_gunicorn(tmp_path: Path) -> None:
    (line,) = lines_of(tmp_path, GUNICORN, request("GET", "/a?b", "User-Agent: me", "Referer: http://r/"))
    time = r"\[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]"
    assert re.fullmatch(
        rf'127\.0\.0\.1 - - {time} "GET /a\?b HTTP/1\.1" 200 2 "http://r/" "me"',
        line,
    )


@pytest.mark.parametrize("threads", [0, 2])
def test_fields_of_requests_and_responses(tmp_path: Path, threads: int) -> None:
    form = "%({x-id}i)s %({X-Trace}o)s %({x-none}o)s %(D)s %(Q)s %(L)s"
    (line,) = lines_of(tmp_path, form, request("GET", "/", "X-Id: 7"), threads=threads)
    assert re.fullmatch(r"7 t-1 - \d+ \d+ 0\.\d{6}", line)


def test_json_tells_the_wait(tmp_path: Path) -> None:
    (line,) = lines_of(tmp_path, "json", request("GET", "/none"))
    found = json.loads(line)
    assert found["status"] == 404
    assert 0 <= found["queue_us"] <= found["duration_us"]


def test_a_share_of_the_requests_and_every_failure(tmp_path: Path) -> None:
    requests = [request("GET", "/")] * 100 + [request("GET", "/fail")] * 3
    lines = lines_of(tmp_path, "%(s)s", *requests, access_log_sample=0.1, count=13)
    assert lines == ["200"] * 10 + ["500"] * 3


@pytest.mark.parametrize("form", ["%(x)s", "%(h)", "%({a}e)s", "%(h)s%", "custom", ""])
def test_formats_that_are_none_are_refused(form: str) -> None:
    with pytest.raises(ConfigError, match="access_log_format"):
        config.build(config.call({"access_log_format": form}))


@pytest.mark.parametrize("share", [0, -1, 2, "x", True])
def test_shares_that_are_none_are_refused(share: object) -> None:
    with pytest.raises(ConfigError, match="a share"):
        config.build(config.call({"access_log_sample": share}))


def test_a_line_with_many_long_texts_is_cut_and_ends(tmp_path: Path) -> None:
    form = " ".join(["%(a)s"] * 30)
    (line,) = lines_of(tmp_path, form, request("GET", "/", "User-Agent: " + "a" * 4000))
    assert len(line) == 4095


def test_an_environ_tells_how_long_its_request_has_waited() -> None:
    waits: list[float] = []
    gate = threading.Event()

    def waiting(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        waits.append(environ["velocem.queue_time"])
        gate.wait(0.2)
        return app(environ, start_response)

    with velocem.Server(waiting, threads=1, queue_time=True) as server, Client(server) as one, Client(server) as two:
        one.send(request())
        wait_until(lambda: waits, 10)
        two.send(request())
        assert one.read().status == two.read().status == 200
    assert 0 <= waits[0] < waits[1]
    assert waits[1] > 0.05


def test_a_scope_tells_it_too() -> None:
    found: list[Any] = []

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            found.append(scope["velocem.queue_time"])
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})

    with velocem.Server(asgi, queue_time=True, lifespan="off") as server, Client(server) as client:
        assert client.ask(request()).status == 204
    assert len(found) == 1
    assert 0 <= found[0] < 10


def test_without_the_option_nothing_is_told() -> None:
    def plain(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        assert "velocem.queue_time" not in environ
        return app(environ, start_response)

    with velocem.Server(plain) as server, Client(server) as client:
        assert client.ask(request()).status == 200
